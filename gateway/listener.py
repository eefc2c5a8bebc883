"""Accepting connections: one task for each, a bound on their number, and calm when descriptors run out.

A listener may be shared with other processes (`gateway.shares`): then one connection is accepted a wake, and
while we hold more than our share the others are left to take what comes.
"""

import asyncio
import contextlib
import select
import socket
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import structlog

from gateway.refusals import OverLimit, Refused
from gateway.shares import Share
from gateway.waiting_room import WaitingRoom
from gateway.wire import NO_DESCRIPTOR, Wire, accepted, address_of, set_options
from process.address import Address
from process.sockets import bound

log = structlog.get_logger()

BACKLOG = 1024
_ACCEPTS_A_WAKE = 64
_LOG_REST_EVERY = 1.0
_LOOK_EVERY = 0.02
"""Seconds after which a worker with more than its share looks whether it is level."""

_MOST_LOOKS = 10
"""Looks that find somebody waiting, after which we take him anyway: the others do not."""


def listening_socket(address: Address, *, at_once: bool = True) -> socket.socket:
    """
    A socket that listens at *address*; an empty host is every address, of both families.

    Unless *at_once* it only has the address: callers are refused until a `Listener` accepts.
    """
    sock = bound(address)
    try:
        set_options(sock)
        if at_once:
            sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise OSError(f"cannot listen on {address}: {error.strerror}") from error
    return sock


class Listener:
    """
    Serves each connection in a task of its own, within the block of the listener.

    When the block is left no task is left: those that still run are cancelled. A defect in one
    connection is logged with its traceback and resets that connection only.
    """

    def __init__(
        self,
        sock: socket.socket,
        serve: Callable[[Wire], Awaitable[None]],
        *,
        most: int,
        refused: Callable[[Refused], None],
        failed: Callable[[], None],
        silent: Callable[[Wire], None] | None = None,
        first_byte: float = 0.0,
        share: Share | None = None,
    ) -> None:
        """
        *serve* owns the wire that it is given, also when it is cancelled. *most* connections at
        once; *refused* and *failed* count what was not served.

        With *silent*, a connection is served from its first byte on; *silent* takes over the wire of
        one that has sent none within *first_byte* seconds. Up to *most* wait for theirs, beside those
        that are served. With a *share* nothing is accepted before `start_accepting`, and all
        processes that share the listener together hold twice *most* connections, silent ones included.
        """
        self._sock = sock
        host, port, *_ = sock.getsockname()
        self.address = Address(host, port)
        self._serve = serve
        self._most = most
        self._refused = refused
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._resting: asyncio.TimerHandle | None = None
        self._silent_until = 0.0
        self._room = (
            WaitingRoom(
                first_byte,
                arrived=lambda sock, remote: self._begin(Wire(sock, address_of(remote))),
                silent=lambda sock, remote: self._gave_up(silent, Wire(sock, address_of(remote))),
            )
            if silent is not None
            else None
        )
        self._share = share
        self._accepting = False
        self._seen_waiting = 0

    def __repr__(self) -> str:
        return f"<Listener {self.address} connections={self.connections}>"

    async def __aenter__(self) -> Self:
        if self._share is None:
            self.start_accepting()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._share is not None:
            self._accepting = False  # what waits is not for us to cancel: others can serve it
        self.stop_accepting()
        if self._room is not None:
            self._room.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def connections(self) -> int:
        """Those that are served, and those that have not sent a byte."""
        return len(self._tasks) + len(self._room or ())

    def start_accepting(self) -> None:
        """Open the door, if nobody has who shares it."""
        self._sock.listen(BACKLOG)
        self._accepting = True
        self._counted()
        self._loop.add_reader(self._sock.fileno(), self._wakened)

    def stop_accepting(self) -> None:
        """Serve what has been accepted by the kernel already, then close the door. May be repeated."""
        if self._sock.fileno() < 0:
            return
        if self._resting is not None:
            self._resting.cancel()
        if self._accepting:
            self._accept(most=BACKLOG)
        if self._resting is not None:  # no descriptor was left for the last ones
            self._resting.cancel()
        self._accepting = False
        if self._share is not None:
            self._share.withdraw()
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()

    async def until_idle(self, timeout: float) -> None:
        """Return when no connection is left, or after *timeout* seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self.connections:
                    if self._room is not None:
                        await self._room.until_empty()
                    if self._tasks:
                        await asyncio.wait(self._tasks)

    def _wakened(self) -> None:
        if self._share is None:
            self._accept(_ACCEPTS_A_WAKE)
        elif self._share.full:
            self._pause(_LOOK_EVERY, self._look)
        else:
            self._accept(1)

    def _look(self) -> None:
        """Take the listener back once we are level, or if nobody else takes those who wait: one may hang."""
        assert self._share is not None
        self._resting = None
        self._seen_waiting = self._seen_waiting + 1 if _is_readable(self._sock) else 0
        if self._share.full and self._seen_waiting < _MOST_LOOKS:
            self._resting = self._loop.call_later(_LOOK_EVERY, self._look)
            return
        if self._share.full:
            self._accept(_ACCEPTS_A_WAKE)
        if self._resting is None:
            self._wake()

    def _counted(self) -> None:
        """The number of connections has changed."""
        if self._share is not None and self._accepting:
            self._share.holds(self.connections)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._counted()

    def _accept(self, most: int) -> None:
        for _ in range(most):
            try:
                sock, remote = self._sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in NO_DESCRIPTOR:
                    self._rest(error)
                    return
                continue  # the peer has gone again before we took it
            if self._room is None:
                self._begin(accepted(sock, remote))
            elif self._crowded or max(len(self._room), len(self._tasks)) >= self._most:
                self._refuse(accepted(sock, remote))
            else:
                sock.setblocking(False)
                self._room.add(sock, remote)
                self._counted()

    @property
    def _crowded(self) -> bool:
        """Whether all processes together hold what they may."""
        return self._share is not None and self._share.total >= 2 * self._most

    def _gave_up(self, silent: Callable[[Wire], None], wire: Wire) -> None:
        silent(wire)
        self._counted()

    def _begin(self, wire: Wire) -> None:
        if len(self._tasks) >= self._most:
            self._refuse(wire)
            return
        task = self._loop.create_task(self._guarded(wire))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        self._counted()

    def _refuse(self, wire: Wire) -> None:
        self._refused(OverLimit(f"{self._most} connections are open already"))
        wire.reset()
        self._counted()

    def _rest(self, error: OSError) -> None:
        """No descriptor left: those who wait stay in the backlog while we look again later."""
        if (now := self._loop.time()) >= self._silent_until:
            self._silent_until = now + _LOG_REST_EVERY
            log.warning("listener.resting", listen=str(self.address), error=error.strerror)
        self._pause(0.1, self._wake)

    def _pause(self, seconds: float, then: Callable[[], None]) -> None:
        self._loop.remove_reader(self._sock.fileno())
        self._resting = self._loop.call_later(seconds, then)

    def _wake(self) -> None:
        self._resting = None
        self._seen_waiting = 0
        self._loop.add_reader(self._sock.fileno(), self._wakened)

    async def _guarded(self, wire: Wire) -> None:
        try:
            await self._serve(wire)
        except asyncio.CancelledError:
            pass  # the listener's block is being left
        except Exception:  # a defect in one connection must not end the others
            self._failed()
            log.exception("connection.failed", remote=str(wire.remote), listen=str(self.address))
            wire.reset()


def _is_readable(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
