"""
Accepted sockets that have not sent a byte: kept for next to nothing, for a while.

Whoever can connect can be silent, by the thousand. So nothing is made for such a socket, no task, no
wire, no TLS: it is an entry here and in one epoll, which the event loop watches as a single descriptor.
(The loop's own watchers cost memory and several system calls each.) All wait equally long, so the order
of arrival is the order of their deadlines, and one timer serves all.
"""

import asyncio
import select
import socket
from collections.abc import Callable

Remote = tuple[object, ...]
"""An address as the socket module has it."""

_COARSE = 0.05
"""Seconds between two looks at deadlines: with many sockets many end at once."""


class WaitingRoom:
    """Owns its sockets until they are handed over. Closed by `close`."""

    def __init__(
        self,
        patience: float,
        *,
        arrived: Callable[[socket.socket, Remote], None],
        silent: Callable[[socket.socket, Remote], None],
    ) -> None:
        """
        *arrived* takes over a socket that has something to read, its end included; *silent* one that
        had nothing for *patience* seconds.
        """
        self._patience = patience
        self._arrived = arrived
        self._silent = silent
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, tuple[socket.socket, Remote, float]] = {}  # the oldest first
        self._epoll = select.epoll()
        self._timer: asyncio.TimerHandle | None = None
        self._empty: asyncio.Future[None] | None = None
        self._loop.add_reader(self._epoll.fileno(), self._look)

    def __repr__(self) -> str:
        return f"<WaitingRoom {len(self._waiting)}>"

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, sock: socket.socket, remote: Remote) -> None:
        """Take over *sock*, which is not blocking."""
        fd = sock.fileno()
        self._epoll.register(fd, select.EPOLLIN)
        until = self._loop.time() + self._patience
        self._waiting[fd] = sock, remote, until
        if self._timer is None:
            self._timer = self._loop.call_at(until, self._expire)

    async def until_empty(self) -> None:
        """Return when nobody is here any more."""
        while self._waiting:
            self._empty = self._loop.create_future()
            await self._empty

    def close(self) -> None:
        """Close all that still wait. May be repeated."""
        if self._epoll.closed:
            return
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        if self._timer is not None:
            self._timer.cancel()
        for sock, _, _ in self._waiting.values():
            sock.close()
        self._waiting.clear()
        self._tell_if_empty()

    def _look(self) -> None:
        for fd, _ in self._epoll.poll(0):
            self._arrived(*self._leave(fd))
        self._tell_if_empty()

    def _expire(self) -> None:
        now = self._loop.time()
        late = []
        for fd, (_, _, until) in self._waiting.items():
            if until > now:
                break
            late.append(fd)
        for fd in late:
            self._silent(*self._leave(fd))
        self._timer = None
        if self._waiting:
            _, _, until = next(iter(self._waiting.values()))
            self._timer = self._loop.call_at(max(until, now + _COARSE), self._expire)
        self._tell_if_empty()

    def _leave(self, fd: int) -> tuple[socket.socket, Remote]:
        self._epoll.unregister(fd)
        sock, remote, _ = self._waiting.pop(fd)
        return sock, remote

    def _tell_if_empty(self) -> None:
        if self._empty is not None and not self._waiting and not self._empty.done():
            self._empty.set_result(None)
