"""
The transport header of Linkerd: what a peer sends first, to say which service it wants.

    preface "transport.l5d.io/v1 CR LF CR LF" | length of the message, u32 | message, protobuf

    Header           port = 1: int32   name = 2: string   session_protocol = 3: SessionProtocol
    SessionProtocol  one of http1 = 1, http2 = 2, both of them empty messages

Raw bytes follow at once: nobody answers a header, and a peer waits for nothing. Nothing here does
I/O. Bytes come in, a header or a `BadHeader` comes out. Source: linkerd2-proxy,
linkerd/transport-header, whose bounds are kept to the byte.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from gateway.refusals import ProtocolViolation

ALPN = "transport.l5d.io/v1"
PREFACE = ALPN.encode() + b"\r\n\r\n"
MAX_MESSAGE = 64 * 1024
"""Bytes of a message, at most: linkerd2-proxy takes as many, whatever stands before them."""

_MESSAGE_AT = len(PREFACE) + 4
_PORT, _NAME, _SESSION = 1, 2, 3
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DNS_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*(?![0-9]+\Z){_LABEL}\Z", re.ASCII)
"""As linkerd2-proxy takes it. The last label has something else than digits, as no IP address has."""


class BadHeader(ProtocolViolation):
    """What was sent first is no transport header, or asks for what a gateway does not do."""


class Session(IntEnum):
    """What the bytes behind a header are, if they are not just bytes."""

    HTTP1 = 1
    HTTP2 = 2


@dataclass(frozen=True, slots=True)
class TransportHeader:
    """Where a connection is to go, in the peer's words."""

    port: int
    name: str | None = None
    """Lower-case, without a dot at its end; None is the very pod that is spoken to."""

    session: Session | None = None


def encode(header: TransportHeader) -> bytes:
    """The bytes of *header*."""
    message = _tag(_PORT, _VARINT) + _varint(header.port)
    if header.name:
        message += _field(_NAME, header.name.encode("ascii"))
    if header.session is not None:
        message += _field(_SESSION, _field(header.session, b""))
    return PREFACE + len(message).to_bytes(4, "big") + message


def decode(data: bytes | bytearray) -> tuple[TransportHeader, int] | None:
    """
    Read a header from the start of *data*.

    Returns the header and how many bytes it took, or None while more are needed. Raises BadHeader as
    soon as no further byte could make it valid.
    """
    if data[: len(PREFACE)] != PREFACE[: len(data)]:
        raise BadHeader("the connection does not begin with a transport header")
    # What is missing of the length counts as zeros: with them it is the smallest that it can be.
    length = int.from_bytes(data[len(PREFACE) : _MESSAGE_AT].ljust(4, b"\0"), "big")
    if length > MAX_MESSAGE:
        raise BadHeader(f"a transport header of {length} bytes or more, over {MAX_MESSAGE}")
    end = _MESSAGE_AT + length
    if len(data) < max(end, _MESSAGE_AT):
        return None
    return _read(bytes(data[_MESSAGE_AT:end])), end


def _read(message: bytes) -> TransportHeader:
    """As protobuf has it: of a field that is there twice the last one holds, unknown ones are skipped."""
    port, name, session = 0, b"", None
    for number, value in _fields(message):
        match number, value:
            case (1, int()):
                port = value
            case (2, bytes()):
                name = value
            case (3, bytes()):
                session = _read_session(value) or session
            case (1 | 2 | 3, _):
                raise BadHeader(f"field {number} of the transport header is of another type")
    if not 1 <= port <= 65535:
        raise BadHeader("the transport header has no port from 1 to 65535")
    return TransportHeader(port, _read_name(name) if name else None, session)


def _read_name(name: bytes) -> str:
    text = name.decode("ascii", "replace").removesuffix(".")
    if not _DNS_NAME.match(text):
        raise BadHeader("the name in the transport header is not a DNS name")
    return text.lower()


def _read_session(message: bytes) -> Session | None:
    session = None
    for number, value in _fields(message):
        if number in (Session.HTTP1, Session.HTTP2):
            if not isinstance(value, bytes):
                raise BadHeader("the session protocol in the transport header is of another type")
            session = Session(number)
    return session


# Protobuf, as much of it as is needed.


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes | None]]:
    """Number and value of each field; None for a value of a fixed length, which none of ours has."""
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        number, kind = tag >> 3, tag & 7
        if not 1 <= number < 1 << 29:
            raise BadHeader(f"the transport header has a field of number {number}")
        if kind == _VARINT:
            value, at = _read_varint(message, at)
            yield number, value
            continue
        if kind == _BYTES:
            length, at = _read_varint(message, at)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise BadHeader(f"the transport header has a field of wire type {kind}")
        if length > len(message) - at:
            raise BadHeader("the transport header ends within a field")
        yield number, message[at : at + length] if kind == _BYTES else None
        at += length


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for position, byte in enumerate(message[at : at + 10]):
        value |= (byte & 0x7F) << 7 * position
        if byte < 0x80:
            if value >= 1 << 64:
                break
            return value, at + position + 1
    raise BadHeader("the transport header has a number that does not end, or is too large")


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*encoded, value))


def _tag(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _field(number: int, value: bytes) -> bytes:
    return _tag(number, _BYTES) + _varint(len(value)) + value
