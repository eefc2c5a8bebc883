"""
A connected, non-blocking TCP socket, and the only owner of its descriptor.

Two ways to use it, one after the other: the coroutines (`receive`, `send_all`) while a connection is
being set up, the callbacks (`watch`, `send`) while bytes are pumped. In between, and whenever the
receiver of its bytes has no room, it is not read at all.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import socket
import struct
import termios
from collections import deque
from collections.abc import Callable, Sequence

from process.address import Address

_TCP_NOTSENT_LOWAT = 25  # linux/tcp.h; the socket module has no name for it
_TCP_CLOSE = 7  # linux/tcp_states.h
_INFO_UNACKED = slice(24, 28)  # linux/tcp.h, struct tcp_info
_INFO_NOT_SENT = slice(144, 148)
_NOTHING = bytes(4)
_SILENCE = 30_000  # milliseconds until a peer that confirms nothing is given up
_LOOK = 5.0  # seconds between two looks at whether a reader takes something
_MOST_SLICES = 1024  # of one sendmsg: IOV_MAX (linux/uio.h)
_LINGER_RESET = struct.pack("ii", 1, 0)
_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE),
    (socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, 128 * 1024),
)

NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""What a call fails with that we have no means for; nothing is said by it about the other end."""


def set_options(sock: socket.socket) -> None:
    """What every connection of ours has; set on a listening socket, accepted ones inherit it."""
    for level, option, value in _OPTIONS:
        sock.setsockopt(level, option, value)


def _ignore() -> None:
    """The callback of a wire that nobody watches."""


def _uncounted(count: int) -> None:
    """The count of what a wire holds that nobody pumps yet: a few bytes at most."""


class Wire:
    """One TCP connection. Whoever makes it closes it, with `close`, `reset` or `settle`."""

    __slots__ = (
        "_fd",
        "_finish_when_sent",
        "_held",
        "_held_bytes",
        "_loop",
        "_on_drained",
        "_on_held",
        "_on_readable",
        "_patient",
        "_reading",
        "_send",
        "_sock",
        "failure",
        "receive_into",
        "remote",
    )

    def __init__(
        self, sock: socket.socket, remote: Address, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        """Take over *sock*, which is connected to *remote* and has its options set."""
        self._sock = sock
        self._send: Callable[[bytes | memoryview], int] = sock.send
        self._fd = sock.fileno()
        self._loop = loop or asyncio.get_running_loop()
        self._held: deque[bytes | memoryview] | None = None  # none as a rule, and an empty one is 760 bytes
        self._held_bytes = 0
        self._finish_when_sent = False
        self._reading = False
        self._patient = False
        self._on_readable: Callable[[], None] = _ignore
        self._on_drained: Callable[[], None] = _ignore
        self._on_held: Callable[[int], None] = _uncounted
        self.receive_into: Callable[[memoryview], int] = sock.recv_into
        """Bytes read; 0 at the end. Raises BlockingIOError for none yet, OSError for a broken wire."""
        self.failure: OSError | None = None
        """What broke the wire. What had arrived before can still be read; behind it is the end."""
        self.remote = remote

    def __repr__(self) -> str:
        return f"<Wire {self._fd} to {self.remote} held={self._held_bytes} reading={self._reading}>"

    @property
    def closed(self) -> bool:
        return self._fd < 0

    @property
    def local(self) -> Address:
        """Our own end. Raises OSError once the wire is closed."""
        return address_of(self._sock.getsockname())

    @property
    def reached(self) -> str:
        """The IP address where the kernel says that the other end is. Raises OSError once all is over."""
        return str(self._sock.getpeername()[0])

    @property
    def held(self) -> int:
        """Bytes that were given to `send` and that the kernel has not taken yet."""
        return self._held_bytes

    @property
    def unacknowledged(self) -> int:
        """Bytes that the kernel has taken and the other end has not confirmed (SIOCOUTQ)."""
        queue = fcntl.ioctl(self._fd, termios.TIOCOUTQ, b"\0\0\0\0")
        return int(struct.unpack("i", queue)[0])

    @property
    def gone_unseen(self) -> bool:
        """Whether the connection is over although nobody, not reading it, has been told (TCP_INFO)."""
        if self._fd < 0 or self._reading:
            return False
        return self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSE

    def bear_with_reader(self) -> None:
        """
        For whoever looks every few seconds: do not take a reader that pauses for a peer that is gone.

        TCP_USER_TIMEOUT runs on while the other end confirms all that is sent and has no room for more
        (Linux 5.11 and later): after 30 s it cut whoever may be slow for minutes. So it is off while the
        window is shut; the kernel's probes still notice who does not answer them (tcp_retries2).
        """
        if self._fd >= 0 and (patient := self._window_is_shut()) != self._patient:
            self._patient = patient
            with contextlib.suppress(OSError):  # it is over; reading will say so
                self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 0 if patient else _SILENCE)

    def _window_is_shut(self) -> bool:
        """Whether nothing is on its way although there are bytes to send."""
        if not self.unacknowledged:
            return False
        info = self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_NOT_SENT.stop)
        return info[_INFO_UNACKED] == _NOTHING != info[_INFO_NOT_SENT]

    # Callbacks: for the pump.

    def watch(
        self,
        on_readable: Callable[[], None],
        on_drained: Callable[[], None],
        on_held: Callable[[int], None],
    ) -> None:
        """
        From now on tell who is there when bytes arrive (once resumed) and when all held is sent.

        *on_held* is told how many bytes more are held, or fewer, until the wire is closed.
        """
        self._on_readable = on_readable
        self._on_drained = on_drained
        self._on_held(-self._held_bytes)
        self._on_held = on_held
        on_held(self._held_bytes)

    def unwatch(self) -> None:
        """Nobody is interested any more; reading stops."""
        self.pause()
        self._on_readable = self._on_drained = _ignore

    def resume(self) -> None:
        if not self._reading and self._fd >= 0:
            self._reading = True
            self._loop.add_reader(self._fd, self._on_readable)

    def pause(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._fd)

    def heed_break(self) -> None:
        """
        For a reader that has read bytes: if the wire broke behind them, see to it that it is woken again.

        uvloop wakes the reader of a broken socket once, and then never again: without this, whoever found
        bytes in front of the break would wait for ever for what follows.
        """
        if not self._reading:
            return  # whoever resumes it is woken
        if self.failure is None:
            if not (error := self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
                return
            self.failure = OSError(error, os.strerror(error))
        self._loop.call_soon(self._watch_anew)

    def _watch_anew(self) -> None:
        if self._reading:
            self.pause()
            self.resume()

    def send(self, data: bytes | memoryview) -> bool:
        """
        Send what the kernel takes and hold a private copy of the rest.

        Returns whether nothing is held: if not, `on_drained` follows. Never raises: a wire that
        broke says so in `failure` and is woken to read what had arrived before that.
        """
        if self._held:
            self._hold(bytes(data))
            return False
        try:
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._broken(error)
            return True
        if sent == len(data):
            return True
        rest = memoryview(data)[sent:]
        self._hold(rest if isinstance(data, bytes) else bytes(rest))
        self._loop.add_writer(self._fd, self._flush)
        return False

    def send_many(self, slices: Sequence[memoryview]) -> bool:
        """Like `send` of all *slices*, in one system call. More than it takes are copied together before."""
        if len(slices) == 1:
            return self.send(slices[0])
        if self._held or len(slices) > _MOST_SLICES:
            return self.send(b"".join(slices))
        try:
            sent = self._sock.sendmsg(slices)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._broken(error)
            return True
        for data in slices:
            if sent >= len(data):
                sent -= len(data)
                continue
            if not self._held:
                self._loop.add_writer(self._fd, self._flush)
            self._hold(bytes(data[sent:]))
            sent = 0
        return not self._held

    def finish(self) -> None:
        """Send no more: a FIN once everything held is sent. The other direction stays open."""
        if self._held:
            self._finish_when_sent = True
        elif self._fd >= 0:
            with contextlib.suppress(OSError):  # the other end may be gone; reading will say so
                self._sock.shutdown(socket.SHUT_WR)

    # Coroutines: while a connection is set up or ends.

    async def receive(self, most: int = 65536) -> bytes:
        """The next bytes; b"" at the end. Raises OSError for a broken wire."""
        while True:
            try:
                return self._sock.recv(most)
            except BlockingIOError:
                await self.until_readable()

    async def until_readable(self) -> None:
        """Return when there is something to read, the end included."""
        woken = self._loop.create_future()
        self._loop.add_reader(self._fd, wake, woken)
        try:
            await woken
        finally:
            if self._fd >= 0:
                self._loop.remove_reader(self._fd)

    async def send_all(self, data: bytes) -> None:
        """Return once the kernel has all of *data*. Raises OSError for a broken wire."""
        if not self.send(data):
            await self._until_drained()
        if self.failure is not None:
            raise self.failure

    async def settle(self, *, reset: bool, patience: float = 300.0) -> None:
        """
        Close, but not before what was sent is delivered.

        A reader may be slow as long as it takes something every *patience* seconds. With *reset*
        the other end learns that the stream was cut; an RST would destroy what it has not read
        yet, so it waits for the send queue to empty, 5 s at most.
        """
        with contextlib.suppress(TimeoutError, OSError):
            if not reset:
                await self._taken(patience)
            else:
                async with asyncio.timeout(5.0):
                    await self._taken(patience)
                    pause = 0.001
                    # What is left in the queue of a connection that is over is confirmed by nobody.
                    while self.failure is None and not self.gone_unseen and self.unacknowledged:
                        await asyncio.sleep(pause)  # the kernel has no event for an empty queue
                        pause = min(pause * 2, 0.05)
        if reset:
            self.reset()
        else:
            with contextlib.suppress(
                OSError
            ):  # without us the kernel has its own patience (tcp_orphan_retries)
                self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 0)
            self.close()

    async def _taken(self, patience: float) -> None:
        """Wait until the kernel has taken what is held. Raises TimeoutError without progress."""
        before, quiet = None, 0.0
        while self._held and quiet < patience:
            self.bear_with_reader()
            quiet = 0.0 if self._held_bytes != before else quiet
            before = self._held_bytes
            look = min(_LOOK, patience - quiet)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(look):
                    await self._until_drained()
            quiet += look
        if self._held:
            raise TimeoutError

    async def linger(self, patience: float = 1.0) -> None:
        """
        Close after a last message: FIN, then read and drop until the other end closes too.

        Closing with bytes unread would send an RST and destroy that last message.
        """
        self.unwatch()
        try:
            async with asyncio.timeout(patience):
                if self._held:
                    await self._until_drained()
                self.finish()
                while await self.receive():
                    pass
        except (TimeoutError, OSError):
            pass  # it has had its time, or it is gone
        finally:
            self.close()  # also when we are cancelled

    async def _until_drained(self) -> None:
        drained = self._loop.create_future()
        before, self._on_drained = self._on_drained, lambda: wake(drained)
        try:
            await drained
        finally:
            self._on_drained = before

    # Ends.

    def close(self) -> None:
        """Close; what the kernel has taken is still delivered. May be repeated."""
        if self._fd < 0:
            return
        self.unwatch()
        if self._held:
            self._drop_held()
        self._fd = -1
        self._sock.close()

    def reset(self) -> None:
        """Close with an RST: the other end learns that this was no regular end."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        self.close()

    def _hold(self, data: bytes | memoryview) -> None:
        if self._held is None:
            self._held = deque()
        self._held.append(data)
        self._held_bytes += len(data)
        self._on_held(len(data))

    def _drop_held(self) -> None:
        self._loop.remove_writer(self._fd)
        self._held = None
        self._on_held(-self._held_bytes)
        self._held_bytes = 0

    def _flush(self) -> None:
        while self._held:
            data = self._held[0]
            try:
                sent = self._sock.send(data)
            except BlockingIOError:
                return
            except OSError as error:
                self._drop_held()
                self._broken(error)
                self._on_drained()
                return
            self._held_bytes -= sent
            self._on_held(-sent)
            if sent < len(data):
                self._held[0] = memoryview(data)[sent:]
                return
            self._held.popleft()
        self._held = None
        self._loop.remove_writer(self._fd)
        if self._finish_when_sent:
            self.finish()
        self._on_drained()

    def _broken(self, error: OSError) -> None:
        """A failed send is no verdict: read what has arrived first; the reader meets the end."""
        self.failure = error
        if self._on_readable is not _ignore:
            self.resume()


def wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def address_of(sockaddr: tuple[object, ...]) -> Address:
    """As people know it: a dual-stack socket wraps IPv4 addresses in IPv6 ones."""
    return Address(str(sockaddr[0]).removeprefix("::ffff:"), int(str(sockaddr[1])))


def accepted(sock: socket.socket, remote: tuple[object, ...]) -> Wire:
    """The wire of a connection from *remote* that a listening socket has accepted."""
    sock.setblocking(False)
    return Wire(sock, address_of(remote))
