"""What OPEN, REFUSED, RESET and GOAWAY say: strict readers of their payloads, and writers."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NoReturn

from gateway.frames import Frame, FrameType
from gateway.refusals import ProtocolViolation, Reason

_ID = re.compile(r"[0-9a-f]{32}\Z")
_SERVICE = re.compile(
    r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))+\Z", re.ASCII | re.IGNORECASE
)
_CLUSTER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\Z")
_SOURCE_KEYS = ("ip", "namespace", "serviceAccount", "pod")
_MOST_MESSAGE = 640
"""Characters of a message: as JSON they fit into a frame even if each is written as an escape."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a client asks for: a port of a service, on behalf of someone."""

    service: str
    """Lower-case and fully qualified."""

    port: int
    id: str
    """128 bits in hex, chosen by the client: the same connection in the logs of both clusters."""

    cluster: str = ""
    """The name under which the client knows the gateway's cluster."""

    source: Mapping[str, str] = field(default_factory=dict)
    """On whose behalf, by the client's own word: a claim, good for logs and nothing else."""

    def encode(self) -> Frame:
        """The OPEN frame."""
        body: dict[str, Any] = {"service": self.service, "port": self.port, "id": self.id}
        if self.cluster:
            body["cluster"] = self.cluster
        if self.source:
            body["source"] = dict(self.source)
        return Frame(FrameType.OPEN, _encode(body).encode())


def read_opening(payload: bytes) -> Opening:
    """Read the payload of OPEN. Raises ProtocolViolation; keys we do not know are ignored."""
    body = _read_object(payload)
    service, port, identifier = body.get("service"), body.get("port"), body.get("id")
    if not isinstance(service, str):
        raise ProtocolViolation("OPEN: service is not a name")
    if not is_service(service):
        raise ProtocolViolation("OPEN: service is not a fully qualified name")
    if type(port) is not int or not 1 <= port <= 65535:  # a bool is no int here
        raise ProtocolViolation("OPEN: port is not a number from 1 to 65535")
    if not isinstance(identifier, str) or not _ID.match(identifier):
        raise ProtocolViolation("OPEN: id is not 32 hex digits")
    cluster = body.get("cluster", "")
    if not isinstance(cluster, str) or (cluster and not is_cluster(cluster)):
        raise ProtocolViolation("OPEN: cluster is not a name")
    return Opening(service.lower(), port, identifier, cluster, _read_source(body.get("source", {})))


def is_service(name: str) -> bool:
    """Whether a gateway takes *name* as that of a service; upper case is as good as lower case."""
    return len(name) <= 253 and _SERVICE.match(name) is not None


def is_cluster(name: str) -> bool:
    """Whether a gateway takes *name* as that of a cluster."""
    return _CLUSTER.match(name) is not None


def _read_source(claim: Any) -> Mapping[str, str]:
    if not isinstance(claim, dict):
        raise ProtocolViolation("OPEN: source is not an object")
    source = {key: claim[key] for key in _SOURCE_KEYS if key in claim}
    if not all(isinstance(value, str) and len(value) <= 253 for value in source.values()):
        raise ProtocolViolation("OPEN: source has a value that is no short string")
    return MappingProxyType(source)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The server's answer when there is no stream: no byte of it was given to any backend."""

    reason: Reason
    message: str

    def encode(self) -> Frame:
        """The REFUSED frame; a long message is cut, and what is not ASCII in it replaced."""
        message = self.message[:_MOST_MESSAGE].encode("ascii", "replace").decode()
        body = {"reason": self.reason, "message": message}
        return Frame(FrameType.REFUSED, _encode(body).encode())


def read_refusal(payload: bytes) -> Refusal:
    """Read the payload of REFUSED. Raises ProtocolViolation."""
    body = _read_object(payload)
    message = body.get("message", "")
    if not isinstance(message, str):
        raise ProtocolViolation("REFUSED: message is not a string")
    return Refusal(_read_reason(body), message)


def reset_frame(reason: Reason) -> Frame:
    """The RESET frame that gives *reason*."""
    return Frame(FrameType.RESET, _encode({"reason": reason}).encode())


def read_reset(payload: bytes) -> Reason:
    """Read the payload of RESET. Raises ProtocolViolation."""
    return _read_reason(_read_object(payload))


def goaway_frame(opens_taken: int) -> Frame:
    """The GOAWAY frame: *opens_taken* OPENs of this tunnel were or will be answered."""
    return Frame(FrameType.GOAWAY, opens_taken.to_bytes(8, "big"))


def read_goaway(payload: bytes) -> int:
    """How many OPENs the server has taken."""
    return int.from_bytes(payload, "big")


def _read_reason(body: dict[str, Any]) -> Reason:
    """A reason of the list; one that a later version may have added reads as `internal`."""
    reason = body.get("reason")
    if not isinstance(reason, str):
        raise ProtocolViolation("the reason is not a string")
    try:
        return Reason(reason)
    except ValueError:
        return Reason.INTERNAL


def _read_object(payload: bytes) -> dict[str, Any]:
    """A JSON object of nesting 2 at most, each key once, no NaN, no lone surrogates."""
    try:
        body = _decode(payload.decode("utf-8", "strict"))
        if b"\\u" in payload:  # the only way to write a lone surrogate
            json.dumps(body, ensure_ascii=False).encode("utf-8", "strict")
    except ProtocolViolation:
        raise
    except (ValueError, RecursionError) as error:
        raise ProtocolViolation("a payload that is not proper JSON") from error
    if not isinstance(body, dict) or any(map(_is_deep, body.values())):
        raise ProtocolViolation("a payload that is not a flat JSON object")
    return body


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    body = dict(pairs)
    if len(body) != len(pairs):
        raise ProtocolViolation("a payload that has a key twice")
    return body


def _no_constant(name: str) -> NoReturn:
    raise ProtocolViolation(f"a payload that contains {name}")


# Made once: `json.dumps` and `json.loads` make one for each call that is not quite plain.
_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder(object_pairs_hook=_each_key_once, parse_constant=_no_constant).decode


def _is_deep(value: Any) -> bool:
    """Whether *value* has lists or objects within a list or an object. Looks no deeper: a peer nests."""
    within = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(isinstance(one, dict | list) for one in within)
