"""
A tunnel: a verified TLS connection that carries `jackstay/1` streams, one after the other.

It keeps the order of frames (`stream_order`), answers PING, and hands the bytes and the ends of the
current stream to whoever is attached. Frames that arrive while nobody is (the server is still
dialling a backend) wait in `_waiting`, at most one read's worth, and the tunnel is not read.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from certs.verification import Peer
from gateway.channel import Channel
from gateway.frames import HEADER, Decoder, Frame, FrameType
from gateway.messages import (
    Opening,
    Refusal,
    goaway_frame,
    read_goaway,
    read_opening,
    read_refusal,
    read_reset,
    reset_frame,
)
from gateway.refusals import PeerGone, ProtocolViolation, Reason, Refused
from gateway.stream_order import Phase, Side, may_speak, step

MAX_CONTROL_FRAMES = 16
"""PING, PONG and GOAWAY without data between them, but for one a second: an honest peer sends fewer."""

MAX_DROPPED = 1024 * 1024
"""Bytes of a stream that we have reset which may still arrive."""

_OUTSIDE_STREAMS = (FrameType.PING, FrameType.PONG, FrameType.GOAWAY)
_END = Frame(FrameType.END)
_OPENED = Frame(FrameType.OPENED)


class Stream(Protocol):
    """The local side of a tunnel's current stream."""

    def data(self, view: memoryview) -> None:
        """Bytes of the other end; the slice is gone once this returns."""

    def data_in_parts(self, slices: Sequence[memoryview]) -> None:
        """The same for bytes that lie in several places."""

    def answered(self, refusal: Refusal | None) -> None:
        """The server has answered our OPEN: with OPENED, or with why not."""

    def ended(self) -> None:
        """The other end's direction has ended, regularly."""

    def reset(self, reason: Reason) -> None:
        """The other end says that the stream is broken."""

    def room(self) -> None:
        """The tunnel can take bytes again."""

    def over(self) -> None:
        """Both last words have passed; the tunnel is free for another stream."""

    def lost(self, cause: Refused) -> None:
        """The tunnel is gone in the middle of the stream."""


class Tunnel:
    """One end of a tunnel. Whoever made it closes it."""

    __slots__ = (
        "_channel",
        "_control_at",
        "_control_frames",
        "_decoder",
        "_dropped",
        "_encrypt",
        "_loop",
        "_may_hear_data",
        "_next",
        "_now",
        "_other",
        "_pong",
        "_side",
        "_stream",
        "_waiting",
        "_woken",
        "bytes_carried",
        "going_away",
        "heard_at",
        "lost",
        "may_speak",
        "on_change",
        "opens",
        "peer",
        "phase",
        "wire",
    )

    def __init__(self, channel: Channel, peer: Peer, side: Side) -> None:
        self._channel = channel
        self._encrypt = channel.encrypt
        self._now = asyncio.get_running_loop().time
        self.wire = channel.wire
        """For its addresses."""
        self._loop = asyncio.get_running_loop()
        self._decoder = Decoder()
        self._side: Side = side
        self._other: Side = "client" if side == "server" else "server"
        self._stream: Stream | None = None
        self._waiting: deque[Frame | bytes] | None = None  # none as a rule, and an empty one is 760 bytes
        self._next: Opening | None = None
        self._woken: asyncio.Future[None] | None = None
        self._pong: tuple[bytes, asyncio.Future[None]] | None = None
        self._control_frames = 0.0  # as many as the time since has not made good
        self._control_at = 0.0
        self._dropped = 0
        self.peer = peer
        self.phase = Phase.IDLE
        self.may_speak = False
        """Whether our direction of the current stream is open."""
        self._may_hear_data = False
        self.opens = 0
        """OPENs sent (client) or taken (server)."""
        self.bytes_carried = 0
        self.heard_at = self._loop.time()
        """When the other end was last heard, on the loop's clock."""
        self.going_away: int | None = None
        """How many of our OPENs the server has taken, once it has said GOAWAY."""
        self.lost: Refused | None = None
        """Why the tunnel is gone; None while it lives."""
        self.on_change: Callable[[], None] | None = None
        """Called when the tunnel is lost or the server says GOAWAY."""

    def start(self) -> None:
        """Begin to read."""
        self._channel.start(self)

    def __repr__(self) -> str:
        stream = f"{self.phase.name} opens={self.opens}"
        return f"<Tunnel {self._side} of {self.peer.identity} {stream} {self._channel!r}>"

    @property
    def held(self) -> int:
        """Bytes on their way into the tunnel that the kernel has not taken."""
        return self._channel.wire.held

    @property
    def usable(self) -> bool:
        """Whether the client may open a stream on it."""
        return self.lost is None and self.going_away is None and self.phase is Phase.IDLE

    @property
    def in_stream(self) -> bool:
        return self.phase is not Phase.IDLE

    @property
    def hears(self) -> bool:
        """Whether the other end's direction of the current stream may still bring bytes."""
        return self.phase is Phase.ASKED or self._may_hear_data

    # What both ends do with a stream.

    def attach(self, stream: Stream) -> None:
        """*stream* gets what comes for the current stream, what has been waiting first."""
        assert self._stream is None
        self._stream = stream
        self._channel.resume()
        if self._waiting:
            self._loop.call_soon(self._settle_waiting)

    def detach(self) -> None:
        """What still comes for the current stream is dropped, within bounds."""
        self._stream = None
        self.resume()

    @property
    def spoke(self) -> bool:
        """Whether the other end has said anything yet."""
        return self.bytes_carried > 0

    def pause(self) -> None:
        """The stream has no room: do not read."""
        self._channel.pause()

    def resume(self) -> None:
        if self.lost is None:
            self._channel.resume()

    def send_data(self, frame: memoryview) -> bool:
        """Send a DATA frame, header included. Returns whether there is room for more."""
        assert self.may_speak
        self.bytes_carried += len(frame)
        return self.wire.send(self._encrypt(frame))

    def send_end(self) -> None:
        """Our direction has ended."""
        self._say(_END)

    def send_reset(self, reason: Reason) -> None:
        """Our direction is broken: our last word. What still comes is dropped."""
        self._say(reset_frame(reason))

    def break_off(self, reason: Reason) -> None:
        """The stream is broken: RESET, if our last word is not said yet."""
        if self.may_speak:
            self.send_reset(reason)

    # The server's part.

    async def next_opening(self) -> Opening | None:
        """
        The next stream that the client asks for; what it sends for it waits until `accept` or
        `refuse`. None if somebody has called `nudge`.

        Raises what the tunnel was lost for.
        """
        if self._next is None and self.lost is None:
            await self._woken_up()
        if self.lost is not None:
            raise self.lost
        opening, self._next = self._next, None
        return opening

    def nudge(self) -> None:
        """Wake whoever waits in `next_opening`: circumstances have changed."""
        self._wake()

    def accept(self, stream: Stream) -> None:
        """A backend is connected: say OPENED, and *stream* gets what comes."""
        if self.lost is None:
            self._say(_OPENED)
        self.attach(stream)

    def refuse(self, refusal: Refused) -> None:
        """There is no stream; what the client has sent for it is dropped."""
        if self.lost is None:
            self._say(Refusal(refusal.reason, str(refusal)).encode())
        self._channel.resume()
        self._settle_waiting()

    def go_away(self) -> None:
        """Tell the client to open nothing more here."""
        if self.lost is None:
            self._channel.send(memoryview(goaway_frame(self.opens).encode()))

    # The client's part.

    def open(self, opening: Opening, stream: Stream) -> None:
        """Ask for a stream; *stream* gets the answer and what comes after it."""
        self.opens += 1
        self._say(opening.encode())
        self.attach(stream)

    async def ping(self) -> None:
        """Return when the server has answered a PING. Raises what the tunnel is lost for."""
        if self.lost is not None:
            raise self.lost
        assert self._pong is None, "one PING at a time"
        payload = self.opens.to_bytes(8, "big")
        answered = self._loop.create_future()
        self._pong = (payload, answered)
        self._channel.send(memoryview(Frame(FrameType.PING, payload).encode()))
        try:
            await answered
        finally:
            self._pong = None

    def look(self) -> None:
        """Read what has arrived, so that a peer that has gone is noticed now."""
        if self.lost is None:
            self._channel.look()

    # Ends.

    def close(self, why: Refused | None = None) -> None:
        """
        End it now, regularly as far as TLS is concerned; *why* is what a stream on it is told, at both ends.

        The other end is told behind what the kernel has taken; a peer that reads nothing is not waited for.
        """
        if self.lost is None:
            if why is not None and self.may_speak:
                # Past `_say`: this may be the last word of both, and the stream is not over regularly.
                self._channel.send(memoryview(reset_frame(why.reason).encode()))
            self._channel.close()
            self._gone(why or PeerGone("we have closed the tunnel"))

    async def close_gently(self) -> None:
        """End it, with time for the other end to read our last frames."""
        if self.lost is None:
            self._gone(PeerGone("we have closed the tunnel"))
            await self._channel.close_gently()

    # The channel's callbacks.

    def plaintext(self, view: memoryview) -> bool:
        self.heard_at = self._now()
        self.bytes_carried += len(view)
        stream = self._stream
        if (
            stream is not None
            and self._may_hear_data
            and not self._waiting
            and self._decoder.is_one_data_frame(view)
        ):
            # By far the most frequent case: all bytes of one small message, and nothing else.
            self._control_frames = 0.0
            stream.data(view[HEADER:])
            return False
        return self._take(view)

    def _take(self, view: memoryview) -> bool:
        """Frames of any kind, and parts of them. Returns whether some of them wait."""
        slices: list[memoryview] = []
        waits = bool(self._waiting) or self._awaits_stream
        for item in self._decoder.decode(view):
            if isinstance(item, Frame):
                self._wait(item)
                waits = True
            elif waits:
                self._wait(bytes(item))
            else:
                slices.append(item)
        if slices:
            self._data(slices)
        return bool(self._waiting)

    def _wait(self, item: Frame | bytes) -> None:
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(item)

    def settled(self) -> None:
        if self._waiting:
            self._take_waiting()
            # The next bytes of a stream that has no backend yet stay where they are. Pausing at
            # OPEN already would cost two system calls for each stream, for nothing as a rule.
            if self._waiting and self._awaits_stream:
                self._channel.pause()

    def drained(self) -> None:
        if self._stream is not None:
            self._stream.room()

    def finished(self) -> None:
        self._channel.close()
        if self.phase is Phase.IDLE:
            self._gone(PeerGone("the other end has closed the tunnel"))
        else:
            self._gone(PeerGone("the other end has closed the tunnel within a stream"))

    def takes_bare_fin(self) -> bool:
        return False

    def broken(self, cause: Refused) -> None:
        self._channel.wire.close()
        self._gone(cause)

    def _take_waiting(self) -> None:
        # Between OPEN and `attach` nothing further is taken: the next frames are the stream's.
        while self._waiting and self.lost is None and not self._awaits_stream:
            item = self._waiting.popleft()
            if isinstance(item, Frame):
                self._frame(item)
            else:
                self._data([memoryview(item)])
        if not self._waiting:
            self._waiting = None

    @property
    def _awaits_stream(self) -> bool:
        return self._stream is None and self.phase is Phase.ASKED and self._side == "server"

    def _settle_waiting(self) -> None:
        if self.lost is not None:
            return
        try:
            self._take_waiting()
        except ProtocolViolation as violation:
            self._channel.close()
            self._gone(violation)

    def _data(self, slices: Sequence[memoryview]) -> None:
        self._control_frames = 0.0
        if not self._may_hear_data:
            raise ProtocolViolation(f"DATA from the {self._other} while there is {self.phase.value}")
        if self._stream is not None:
            if len(slices) == 1:
                self._stream.data(slices[0])
            else:
                self._stream.data_in_parts(slices)
            return
        self._dropped += sum(map(len, slices))
        if self._dropped > MAX_DROPPED:
            raise ProtocolViolation("too many bytes for a stream that has been reset")

    def _frame(self, frame: Frame) -> None:
        match frame.type:
            case FrameType.PING | FrameType.PONG | FrameType.GOAWAY:
                self._count_control()
                self._outside_streams(frame)
            case FrameType.OPEN:
                self._hear(frame)
                self._open_asked(frame)
            case FrameType.OPENED:
                self._hear(frame, lambda stream: stream.answered(None))
            case FrameType.REFUSED:
                refusal = read_refusal(frame.payload)
                self._hear(frame, lambda stream: stream.answered(refusal))
            case FrameType.END:
                self._hear(frame, lambda stream: stream.ended())
            case FrameType.RESET:
                reason = read_reset(frame.payload)
                self._hear(frame, lambda stream: stream.reset(reason))
            case FrameType.DATA:
                raise AssertionError("DATA is never a Frame")

    def _count_control(self) -> None:
        """
        An idle tunnel is PINGed now and then, for ever; what is refused is a flood.

        Each second makes one good, and data makes all good.
        """
        waited, self._control_at = self.heard_at - self._control_at, self.heard_at
        self._control_frames = max(0.0, self._control_frames - waited) + 1.0
        if self._control_frames > MAX_CONTROL_FRAMES:
            raise ProtocolViolation("too many control frames in a row")

    def _outside_streams(self, frame: Frame) -> None:
        if frame.type is FrameType.PING and self._side == "server":
            self._channel.send(memoryview(Frame(FrameType.PONG, frame.payload).encode()))
        elif frame.type is FrameType.PONG and self._side == "client":
            if self._pong is None or self._pong[0] != frame.payload:
                raise ProtocolViolation("a PONG that answers no PING of ours")
            if not self._pong[1].done():
                self._pong[1].set_result(None)
        elif frame.type is FrameType.GOAWAY and self._side == "client":
            self.going_away = read_goaway(frame.payload)
            if self.on_change is not None:
                self.on_change()
        else:
            raise ProtocolViolation(f"{frame.type.name} from the {self._other}")

    def _open_asked(self, frame: Frame) -> None:
        self._next = read_opening(frame.payload)
        self.opens += 1
        self._wake()

    # The order of frames: the only two places where the phase changes.

    def _hear(self, frame: Frame, tell: Callable[[Stream], None] | None = None) -> None:
        self._step(self._other, frame)
        if self._stream is not None and tell is not None:
            tell(self._stream)
        self._free_if_over()

    def _say(self, frame: Frame) -> None:
        self._step(self._side, frame)
        self._channel.send(memoryview(frame.encode()))
        self._free_if_over()

    def _step(self, side: Side, frame: Frame) -> None:
        """*side* says *frame*. Who may speak then is asked for with every chunk of data: so it is kept."""
        self.phase = phase = step(self.phase, side, frame.type)
        self.may_speak = may_speak(phase, self._side)
        self._may_hear_data = may_speak(phase, self._other)

    def _free_if_over(self) -> None:
        if self.phase is Phase.IDLE:
            self._dropped = 0
            stream, self._stream = self._stream, None
            self.resume()
            if stream is not None:
                stream.over()
            self._wake()

    async def until_free(self) -> None:
        """Return when the refused stream is over, perhaps with the next one open already, or all is lost."""
        while self.phase is not Phase.IDLE and self._next is None and self.lost is None:
            await self._woken_up()

    async def _woken_up(self) -> None:
        self._woken = self._loop.create_future()
        await self._woken

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    def _gone(self, cause: Refused) -> None:
        if self.lost is not None:
            return
        self.lost = cause
        self._waiting = None
        stream, self._stream = self._stream, None
        if self._pong is not None and not self._pong[1].done():
            self._pong[1].set_exception(cause)
        if stream is not None:
            stream.lost(cause)
        self._wake()
        if self.on_change is not None:
            self.on_change()
