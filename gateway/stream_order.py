"""
The order of a stream: which frame may follow which, the same for both ends of a tunnel.

    client   OPEN DATA* (END | RESET)
    server   REFUSED | OPENED DATA* (END | RESET)

A tunnel carries one stream at a time. Each side has a last word (END, RESET, and REFUSED for the
server); when both have been said the tunnel is IDLE and the client may OPEN again. PING, PONG and
GOAWAY stand outside this order. Both ends apply the same table, to what they send and to what they
receive, so a frame out of order is noticed by whoever reads it, and never written by us.
"""

from enum import Enum
from types import MappingProxyType
from typing import Literal, get_args

from gateway.frames import FrameType
from gateway.refusals import ProtocolViolation

Side = Literal["client", "server"]


class Phase(Enum):
    """Where a tunnel's current stream is."""

    IDLE = "no stream"
    ASKED = "opened by the client, not answered yet"
    ASKED_AND_ENDED = "the client has said its last word before the answer"
    OPEN = "both directions are open"
    CLIENT_ENDED = "only the server still speaks"
    SERVER_ENDED = "only the client still speaks"

    # A phase is looked up with every frame, and there is one object of each: Enum's own hash is that of
    # its name, by a Python call.
    __hash__ = object.__hash__


_T = FrameType
_TABLE: dict[tuple[Phase, Side, FrameType], Phase] = {
    (Phase.IDLE, "client", _T.OPEN): Phase.ASKED,
    (Phase.ASKED, "client", _T.DATA): Phase.ASKED,
    (Phase.ASKED, "client", _T.END): Phase.ASKED_AND_ENDED,
    (Phase.ASKED, "client", _T.RESET): Phase.ASKED_AND_ENDED,
    (Phase.ASKED, "server", _T.OPENED): Phase.OPEN,
    (Phase.ASKED, "server", _T.REFUSED): Phase.SERVER_ENDED,
    (Phase.ASKED_AND_ENDED, "server", _T.OPENED): Phase.CLIENT_ENDED,
    (Phase.ASKED_AND_ENDED, "server", _T.REFUSED): Phase.IDLE,
    (Phase.OPEN, "client", _T.DATA): Phase.OPEN,
    (Phase.OPEN, "server", _T.DATA): Phase.OPEN,
    (Phase.OPEN, "client", _T.END): Phase.CLIENT_ENDED,
    (Phase.OPEN, "client", _T.RESET): Phase.CLIENT_ENDED,
    (Phase.OPEN, "server", _T.END): Phase.SERVER_ENDED,
    (Phase.OPEN, "server", _T.RESET): Phase.SERVER_ENDED,
    (Phase.CLIENT_ENDED, "server", _T.DATA): Phase.CLIENT_ENDED,
    (Phase.CLIENT_ENDED, "server", _T.END): Phase.IDLE,
    (Phase.CLIENT_ENDED, "server", _T.RESET): Phase.IDLE,
    (Phase.SERVER_ENDED, "client", _T.DATA): Phase.SERVER_ENDED,
    (Phase.SERVER_ENDED, "client", _T.END): Phase.IDLE,
    (Phase.SERVER_ENDED, "client", _T.RESET): Phase.IDLE,
}
TABLE = MappingProxyType(_TABLE)


def step(phase: Phase, side: Side, frame: FrameType) -> Phase:
    """The phase after *side* has sent *frame*. Raises ProtocolViolation if it may not."""
    try:
        return _TABLE[phase, side, frame]
    except KeyError:
        raise ProtocolViolation(f"{frame.name} from the {side} while there is {phase.value}") from None


# Asked for with every chunk of data: a look into a short tuple instead of a hash of three.
_SPEAKING: dict[Side, tuple[Phase, ...]] = {
    side: tuple(phase for phase in Phase if (phase, side, FrameType.DATA) in _TABLE)
    for side in get_args(Side)
}


def may_speak(phase: Phase, side: Side) -> bool:
    """Whether *side* has not yet said its last word in a stream that it may speak in."""
    return phase in _SPEAKING[side]
