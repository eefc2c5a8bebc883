"""
The byte pump: a stream over TLS on one side, one local TCP connection on the other.

Driven by callbacks, in both directions independently: what one side has is given to the other at
once, what the other cannot take is held (at most one read's worth) and the giving side is not read
meanwhile. A direction ends when its side says so; a reset passes on as a reset, never as an end.

What carries the stream is a tunnel, for one of its streams, or a `Direct` connection that has no other.

The server's end begins with a connected backend. The client's end begins with the OPEN: what the
application sends before the answer goes out with it, and is kept so that another tunnel can be tried
as long as no byte can have reached a backend (`Early`). On a direct connection nobody answers: there
the client's end begins at once, and may be tried again only while nothing has been said or heard.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from gateway.buffers import Buffers
from gateway.frames import DATA_HEADER, HEADER, put_header
from gateway.messages import Opening, Refusal
from gateway.refusals import ProtocolViolation, Reason, Refused
from gateway.tunnel import MAX_DROPPED, Stream, Tunnel
from gateway.wire import Wire

EARLY_LIMIT = 64 * 1024
"""Bytes of an application that are kept until the gateway has answered."""

FRESH = 15.0
"""Seconds since a tunnel was heard within which it is trusted with early data."""

_LAST_WORD_WAIT = 1.0
_GONE = "the connection was reset behind its end"


class Ending(Enum):
    """How a stream ended."""

    FINISHED = "finished"
    """Both directions ended regularly."""
    REFUSED = "refused"
    """The gateway gave no stream; see the refusal."""
    LOCAL_RESET = "local_reset"
    """The local connection (backend or application) was reset."""
    REMOTE_RESET = "remote_reset"
    """The tunnel's other end reset the stream."""
    TUNNEL_LOST = "tunnel_lost"
    """The tunnel, or the connection that carried it alone, broke within the stream or was cut short."""
    TIMED_OUT = "timed_out"
    """No byte moved for too long."""
    CUT = "cut"
    """We ended it: drain, or a limit."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a stream ended, and why if it was not regular."""

    ending: Ending
    reason: Reason | None = None
    message: str = ""
    may_retry: bool = False
    """Whether no byte of the stream can have reached a backend."""


@dataclass(slots=True)
class Early:
    """What an application has said before its stream was answered, over all tries."""

    data: bytearray = field(default_factory=bytearray)
    finished: bool = False

    @property
    def full(self) -> bool:
        return len(self.data) >= EARLY_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class PumpLimits:
    """How long nothing may move."""

    idle: float = 3600.0
    """Seconds without a byte, with both directions open."""

    half_closed: float = 60.0
    """Seconds without a byte in the direction that is still open."""

    stalled: float = 300.0
    """Seconds in which a receiver with bytes waiting takes none."""

    answer: float = 10.0
    """Seconds from OPEN to the gateway's answer."""


class Carrier(Protocol):
    """What carries a stream to the other end and back: a tunnel, or a direct connection."""

    @property
    def wire(self) -> Wire:
        """The connection below it."""

    @property
    def lost(self) -> Refused | None:
        """Why it is gone; None while it lives."""

    @property
    def may_speak(self) -> bool:
        """Whether our direction is open."""

    @property
    def hears(self) -> bool:
        """Whether the other end's direction may still bring bytes."""

    @property
    def held(self) -> int:
        """Bytes on their way to the other end that the kernel has not taken."""

    def accept(self, stream: Stream) -> None:
        """The local side is there: *stream* gets what comes."""

    def detach(self) -> None:
        """What still comes is dropped."""

    def pause(self) -> None:
        """The stream has no room: do not read."""

    def resume(self) -> None: ...

    def send_data(self, frame: memoryview) -> bool:
        """Send bytes, before which *frame* has four for a header. Returns whether there is room for more."""

    def send_end(self) -> None:
        """Our direction has ended."""

    def break_off(self, reason: Reason) -> None:
        """The stream is broken: tell the other end, if it can still be told."""

    def close(self) -> None:
        """It cannot be used again."""


class Pump:
    """
    Moves bytes between *wire* and a stream of *carrier* until both directions have ended.

    One of the three `start_…`, then await `outcome`, then `stop`. The caller closes the wire.
    """

    __slots__ = (
        "_buffers",
        "_carrier",
        "_deadline",
        "_dropped",
        "_early",
        "_ending",
        "_last_moved",
        "_limits",
        "_local_reason",
        "_loop",
        "_open_number",
        "_over",
        "_quiet",
        "_said_data",
        "_trusting",
        "_unanswered",
        "_wire",
        "_wire_ended",
        "answered_at",
        "outcome",
        "received",
        "sent",
    )

    def __init__(self, carrier: Carrier, wire: Wire, buffers: Buffers, limits: PumpLimits) -> None:
        self._loop = asyncio.get_running_loop()
        self._carrier = carrier
        self._wire = wire
        self._buffers = buffers
        self._limits = limits
        self._early: Early | None = None
        self._local_reason = Reason.BACKEND_RESET
        self._said_data = False
        self._open_number = 0
        self._wire_ended = False
        self._ending: Outcome | None = None
        self._over = False
        self._trusting = False
        self._unanswered = False
        self._dropped = 0
        self._quiet = 0
        self._last_moved = 0
        self._deadline: asyncio.TimerHandle | None = None
        self.outcome: asyncio.Future[Outcome] = self._loop.create_future()
        self.sent = 0
        """Bytes from the wire to the other end."""
        self.received = 0
        """Bytes from the other end to the wire."""
        self.answered_at: float | None = None

    def __repr__(self) -> str:
        return f"<Pump {self._wire!r} sent={self.sent} received={self.received} of {self._carrier!r}>"

    def start_server(self) -> None:
        """The backend is connected: say OPENED and begin."""
        self.answered_at = self._loop.time()
        self._wire.watch(self._readable, self._drained, self._buffers.hold)
        self._watch_the_clock()
        self._carrier.accept(self)
        if self._carrier.lost is not None:
            self.lost(self._carrier.lost)
        else:
            self._wire.resume()

    def start_unanswered(self) -> None:
        """The client's end of a connection on which nobody says OPENED: begin."""
        self._local_reason = Reason.PEER_RESET
        self._unanswered = True
        self.start_server()

    def start_client(self, opening: Opening, early: Early) -> None:
        """Say OPEN and begin; *early* is what earlier tries have read from the application."""
        tunnel = self._carrier
        assert isinstance(tunnel, Tunnel)
        self._early = early
        self._local_reason = Reason.PEER_RESET
        self._wire.watch(self._readable, self._drained, self._buffers.hold)
        self._deadline = self._loop.call_later(self._limits.answer, self._no_answer)
        self._trusting = self._loop.time() - tunnel.heard_at < FRESH
        tunnel.open(opening, self)
        self._open_number = tunnel.opens
        if tunnel.lost is not None:
            self.lost(tunnel.lost)
            return
        if self._trusting:
            self._send_early()
        if not early.full and not early.finished:
            self._wire.resume()

    def cut(self, refusal: Refused) -> None:
        """The stream may not go on: reset at both ends, for the reason of *refusal*."""
        if self._ending is None:
            self._cut(Outcome(Ending.CUT, refusal.reason, str(refusal)))

    def stop(self) -> None:
        """Whatever runs, runs no more. A stream that is still open is reset."""
        if self._ending is None:
            self._cut(Outcome(Ending.CUT, Reason.DRAINING, "the process is ending"))
        if self._deadline is not None:
            self._deadline.cancel()
        if not self._over:
            self._over = True
            self._carrier.detach()

    @property
    def has_gone_unseen(self) -> bool:
        """Whether one of the two sides is gone, and is not read, so that nobody knows."""
        return self._wire.gone_unseen or self._carrier.wire.gone_unseen

    def look_for_the_gone(self) -> None:
        """Read from who is gone unseen: what had arrived, and then what became of it."""
        if self._ending is None and self._wire.gone_unseen:
            if self._wire_ended:  # behind an end there is nothing to read, not even the reset
                self._cut(Outcome(Ending.LOCAL_RESET, self._local_reason, _GONE))
            else:
                self._wire.resume()
        if self._ending is None and self._carrier.wire.gone_unseen:
            if not self._carrier.hears:
                self._cut(Outcome(Ending.REMOTE_RESET, Reason.PEER_RESET, _GONE))
            else:
                self._carrier.resume()

    def bear_with_readers(self) -> None:
        """A reader that takes nothing for now, here or there, is not one that is gone."""
        self._wire.bear_with_reader()
        self._carrier.wire.bear_with_reader()

    # The local side.

    def _readable(self) -> None:
        buffers = self._buffers
        assert buffers.owner is None, f"{self!r} takes the buffers while {buffers.owner!r} has them"
        buffers.owner = self
        try:
            count = self._wire.receive_into(buffers.frame_room)
            if count:
                if self._wire not in buffers.brought:
                    buffers.look_behind(self._wire)
                if self._early is not None:
                    self._take_early(buffers.plaintext, count)
                    return
                frame = buffers.plaintext[: HEADER + count]
                put_header(frame, 0, DATA_HEADER | count)
                self.sent += count
                if not self._carrier.send_data(frame):
                    self._wire.pause()
                return
        except BlockingIOError:
            return
        except OSError as error:
            count = -1
            message = error.strerror or str(error)
        finally:
            buffers.owner = None
        if count == 0:
            failure = self._wire.failure
            if failure is None:
                self._local_finished()
                return
            # It has ended and takes no more: what could not be given to it makes this no regular end.
            count, message = -1, failure.strerror or str(failure)
        if count < 0:
            self._cut(Outcome(Ending.LOCAL_RESET, self._local_reason, message))

    def _take_early(self, buffer: memoryview, count: int) -> None:
        """Bytes that came before the answer lie behind the place of their header in *buffer*."""
        assert self._early is not None
        self._early.data += buffer[HEADER : HEADER + count]
        if self._early.full:
            self._wire.pause()
        if not self._trusting:
            return
        put_header(buffer, 0, DATA_HEADER | count)
        self._said_data = True
        self.sent += count
        if not self._carrier.send_data(buffer[: HEADER + count]):
            self._wire.pause()

    def _local_finished(self) -> None:
        self._wire.pause()
        self._wire_ended = True
        if self._early is not None:
            self._early.finished = True
            if not self._trusting:
                return
        if self._carrier.may_speak:
            self._carrier.send_end()

    def _drained(self) -> None:
        self._carrier.resume()

    def _send_early(self) -> None:
        """What has been read before goes out, in one frame; the end too if it has come."""
        early = self._early
        assert early is not None
        if early.data:
            frame = memoryview(bytearray(HEADER) + early.data)
            put_header(frame, 0, DATA_HEADER | len(early.data))
            self._said_data = True
            self.sent = len(early.data)
            if not self._carrier.send_data(frame):
                self._wire.pause()
        if early.finished:
            self._wire_ended = True
            self._carrier.send_end()

    # The other end's side.

    def data(self, view: memoryview) -> None:
        if self._ending is not None:
            self._drop(len(view))
            return
        self.received += len(view)
        if not self._wire.send(view):
            self._carrier.pause()

    def data_in_parts(self, slices: Sequence[memoryview]) -> None:
        size = sum(map(len, slices))
        if self._ending is not None:
            self._drop(size)
            return
        self.received += size
        if not self._wire.send_many(slices):
            self._carrier.pause()

    def _drop(self, size: int) -> None:
        self._dropped += size
        if self._dropped > MAX_DROPPED:
            raise ProtocolViolation("too many bytes for a stream that has been reset")

    def answered(self, refusal: Refusal | None) -> None:
        early = self._early
        if refusal is not None:
            self._end(Outcome(Ending.REFUSED, refusal.reason, refusal.message, may_retry=True))
            if self._carrier.may_speak:
                self._carrier.send_end()
            return
        self.answered_at = self._loop.time()
        if early is None or self._ending is not None:
            return
        if not self._said_data and (early.data or early.finished) and self._carrier.may_speak:
            self._send_early()
        self._early = None
        assert self._deadline is not None
        self._deadline.cancel()
        self._watch_the_clock()
        if not self._wire_ended:
            self._wire.resume()

    def ended(self) -> None:
        self._wire.finish()

    def reset(self, reason: Reason) -> None:
        outcome = Outcome(Ending.REMOTE_RESET, reason, "the other end has reset the stream")
        self._end(outcome)
        self._carrier.break_off(self._local_reason)

    def room(self) -> None:
        waits_for_answer = self._early is not None and self._early.full
        if not self._wire_ended and self._ending is None and not waits_for_answer:
            self._wire.resume()

    def over(self) -> None:
        self._end(Outcome(Ending.FINISHED))
        self._settle()

    def lost(self, cause: Refused) -> None:
        self._end(
            Outcome(Ending.TUNNEL_LOST, cause.reason, str(cause), may_retry=self._no_byte_can_have_arrived)
        )
        self._settle()

    @property
    def _no_byte_can_have_arrived(self) -> bool:
        if self._unanswered:
            return not self.sent and not self.received
        tunnel = self._carrier
        if self._early is None or not isinstance(tunnel, Tunnel):
            return False
        counted = tunnel.going_away
        return not self._said_data or (counted is not None and counted < self._open_number)

    # Endings.

    def _cut(self, outcome: Outcome) -> None:
        """The stream is broken on our side: tell the other end, and await its last word a while."""
        self._end(outcome)
        if self._carrier.lost is None:
            self._carrier.break_off(outcome.reason or Reason.INTERNAL)

    def _end(self, outcome: Outcome) -> None:
        """The first ending holds. Nothing more is read from the local side."""
        if self._ending is not None:
            return
        self._ending = outcome
        self._wire.unwatch()
        self._carrier.resume()
        if self._deadline is not None:
            self._deadline.cancel()
        if outcome.ending is not Ending.FINISHED:
            self._deadline = self._loop.call_later(_LAST_WORD_WAIT, self._give_up)

    def _settle(self) -> None:
        self._over = True
        if not self.outcome.done():
            assert self._ending is not None
            self.outcome.set_result(self._ending)

    def _give_up(self) -> None:
        """The other end's last word has not come in time: its carrier cannot be used again."""
        self._carrier.close()
        self._settle()

    # The clock.

    def _no_answer(self) -> None:
        self._cut(
            Outcome(
                Ending.TIMED_OUT,
                Reason.TIMEOUT,
                f"the gateway has not answered within {self._limits.answer:g} s",
                may_retry=not self._said_data,
            )
        )

    def _watch_the_clock(self) -> None:
        self._deadline = self._loop.call_later(self._limits.half_closed / 4, self._look_at_clock)

    def _look_at_clock(self) -> None:
        """Four looks in a half-closed period; so many quiet ones in a row are too many."""
        moved = self.sent + self.received
        self._quiet = self._quiet + 1 if moved == self._last_moved else 0
        self._last_moved = moved
        half_closed = self._wire_ended or not self._carrier.hears
        allowed = self._limits.half_closed if half_closed else self._limits.idle
        if self._wire.held or self._carrier.held:
            allowed = min(allowed, self._limits.stalled)
        if self._quiet * self._limits.half_closed / 4 >= allowed:
            self._cut(Outcome(Ending.TIMED_OUT, Reason.TIMEOUT, f"no byte for {allowed:g} s"))
        else:
            self._watch_the_clock()
