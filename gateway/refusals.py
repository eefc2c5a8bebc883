"""Why something is refused or has ended: one class, one sentence, one reason for each."""

import re
import ssl
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


class Crowded(Refused):
    """More handshakes wait than can be computed in time, and this one has waited for too long."""

    reason = Reason.LIMIT


class TooSlow(Refused):
    """A wait has reached its deadline."""

    reason = Reason.TIMEOUT


class PeerUntrusted(Refused):
    """The other end's certificate does not say who it must be."""

    reason = Reason.UNTRUSTED


class PeerRevoked(PeerUntrusted):
    """The other end's certificate, or an issuer's, has been revoked: what runs with it ends at once."""


class AnotherServer(PeerUntrusted):
    """The other end says itself that it is not who we want."""


class Distrusted(Refused):
    """The other end does not take our certificate: it is we who are refused."""

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


def by_alert(error: ssl.SSLError) -> AnotherServer | Distrusted | ProtocolViolation | None:
    """What the other end said, if *error* is a TLS alert that we received; None if it is our own verdict."""
    # OpenSSL names alerts so, and no verdict of its own. Not all have a `reason` in Python.
    text = (error.reason or str(error)).lower().replace("_", " ")
    if not (found := _RECEIVED.search(text)):
        return None
    alert = found[1].strip()
    kind, why = _ALERTS.get(alert, (ProtocolViolation, f"its alert is {alert!r}"))
    return kind(f"the peer ended the handshake: {why}")


_RECEIVED = re.compile(r"\b(?:sslv3|tlsv1|tlsv13) (?:alert )?([a-z ]+)")

_ALERTS: dict[str, tuple[type[AnotherServer | Distrusted | ProtocolViolation], str]] = {
    "unknown ca": (
        Distrusted,
        "it does not know the authority of our certificate; compare its trust anchors with ours",
    ),
    "bad certificate": (
        Distrusted,
        "it does not take our certificate, which may be in another name than it expects, or not valid yet",
    ),
    "certificate expired": (Distrusted, "our certificate, or an issuer of it, has expired by its clock"),
    "certificate revoked": (Distrusted, "our certificate, or an issuer of it, has been revoked"),
    "unsupported certificate": (Distrusted, "our certificate is not made for this end of a connection"),
    "certificate unknown": (Distrusted, "it does not take our certificate, and does not say why"),
    "certificate required": (Distrusted, "it asks for a certificate, and we have shown none"),
    "access denied": (Distrusted, "our certificate is good, and it does not let its holder in"),
    "no application protocol": (ProtocolViolation, "it speaks no protocol that we speak (ALPN)"),
    "protocol version": (ProtocolViolation, "it does not speak TLS 1.3"),
    "handshake failure": (ProtocolViolation, "there is no cipher, key or signature that both ends take"),
    "unrecognized name": (AnotherServer, "it has no server of the name that we asked for"),
}
