"""Why something is refused or has ended: one class, one sentence, one reason for each."""

from enum import StrEnum
from typing import ClassVar


class Reason(StrEnum):
    """The closed list of reasons, in REFUSED and RESET frames, logs and metrics alike."""

    NOT_EXPORTED = "not_exported"
    NOT_ALLOWED = "not_allowed"
    NO_ENDPOINT = "no_endpoint"
    BACKEND_UNREACHABLE = "backend_unreachable"
    DRAINING = "draining"
    LIMIT = "limit"
    TIMEOUT = "timeout"
    UNTRUSTED = "untrusted"
    PROTOCOL = "protocol"
    PEER_RESET = "peer_reset"
    BACKEND_RESET = "backend_reset"
    INTERNAL = "internal"


class Refused(Exception):
    """Something a peer or an application asked for is not given; `str()` is the sentence it may read."""

    reason: ClassVar[Reason]


class NotExported(Refused):
    """The named service is not exported to other clusters."""

    reason = Reason.NOT_EXPORTED


class NotAllowed(Refused):
    """The peer is none of those who may use the service."""

    reason = Reason.NOT_ALLOWED


class NoEndpoint(Refused):
    """The service has no ready endpoint, or no gateway to it is alive."""

    reason = Reason.NO_ENDPOINT


class BackendUnreachable(Refused):
    """No endpoint of the service could be connected to."""

    reason = Reason.BACKEND_UNREACHABLE


class Draining(Refused):
    """This process is about to end and takes no more streams."""

    reason = Reason.DRAINING


class OverLimit(Refused):
    """A limit is reached; the newcomer is refused, those who are in stay."""

    reason = Reason.LIMIT


class TooSlow(Refused):
    """A wait has reached its deadline."""

    reason = Reason.TIMEOUT


class PeerUntrusted(Refused):
    """The other end's certificate does not say who it must be."""

    reason = Reason.UNTRUSTED


class ProtocolViolation(Refused):
    """The other end does not keep to the protocol; nothing it sends is believed any more."""

    reason = Reason.PROTOCOL


class PeerGone(Refused):
    """The other end has gone before it could answer."""

    reason = Reason.PEER_RESET


class Defect(Refused):
    """An error of ours; the log has its traceback."""

    reason = Reason.INTERNAL
