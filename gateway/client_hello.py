"""
A look at the ClientHello before any cryptography is spent on it (RFC 8446 section 4.1.2).

    record     type u8 = 22 | version u16 = 3.x | length u16 | a part of the message
    message    type u8 = 1 | length u24 | version u16 | random, 32 bytes | session id, u8 before it
               | cipher suites, u16 | compression methods, u8 | extensions, u16
    extension  type u16 | length u16 | ...    0 server_name, 16 ALPN

It may only refuse: who is not meant for us, who speaks no protocol of ours, what is not TLS. What
lets somebody in is OpenSSL's view and the verified chain; a hello that cannot be read here is
OpenSSL's to judge, and gets its alert. With a post-quantum key share it is 1.5 KB long, so it comes in
several segments, and it may come in several records.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from gateway.refusals import ProtocolViolation
from gateway.tls_engine import HANDSHAKE_BUDGET, RECORD_HEADER, HandshakeTooLong, whole_record

_HANDSHAKE, _CLIENT_HELLO = 22, 1
_SERVER_NAME, _ALPN = 0, 16
_HOST_NAME = 0
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_SERVICE = re.compile(rf"([1-9][0-9]{{0,4}})\.({_LABEL}\.{_LABEL}\.svc\.(.+))\Z", re.ASCII | re.DOTALL)


class NotForUs(ProtocolViolation):
    """A ClientHello that we do not answer; the alert says why."""

    alert: ClassVar[int]


class UnknownServer(NotForUs):
    """The peer wants a server of a name that is neither ours nor one of a service."""

    alert = 112  # unrecognized_name


class NoProtocolOfOurs(NotForUs):
    """The peer offers no protocol that we speak, and names no service."""

    alert = 120  # no_application_protocol


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What a client wants, before it has shown who it is."""

    server_name: str | None = None
    """Lower-case; None if it names none."""

    protocols: tuple[str, ...] = ()
    """What it offers by ALPN."""

    readable: bool = True
    """False for what is no proper hello: OpenSSL will say so, in its words."""


@dataclass(frozen=True, slots=True)
class Named:
    """A service that a client has named by SNI: `9898.podinfo.test.svc.cluster.local`."""

    service: str
    port: int


class Reader:
    """Collects a ClientHello from bytes as they come; holds 16 KiB at most."""

    __slots__ = ("_message", "_pending", "_read")

    def __init__(self) -> None:
        self._pending = b""  # a record that is not whole yet
        self._message = bytearray()  # the handshake message, without record headers
        self._read = 0

    def feed(self, data: bytes) -> ClientHello | None:
        """
        The ClientHello, or None while more is needed; nothing is asked for behind it.

        Raises ProtocolViolation as soon as it is seen not to be TLS, HandshakeTooLong if it does
        not end.
        """
        self._pending += data
        view, at = memoryview(self._pending), 0
        while length := whole_record(view[at:]):
            if view[at] != _HANDSHAKE:
                return _UNREADABLE
            self._message += view[at + RECORD_HEADER : at + length]
            at += length
            if (hello := _whole(self._message)) is not None:
                return hello
        self._read += len(data)
        if self._read > HANDSHAKE_BUDGET:
            raise HandshakeTooLong(f"a ClientHello of more than {HANDSHAKE_BUDGET} bytes")
        self._pending = self._pending[at:]
        return None


def check(
    hello: ClientHello, *, identity: str, cluster_domain: str, protocols: Iterable[str]
) -> Named | None:
    """
    Raises UnknownServer or NoProtocolOfOurs for whom we need not shake hands with.

    We are *identity* and speak *protocols*; the service that the client has named comes back, if it
    has named one.
    """
    if not hello.readable:
        return None
    named = service_named(hello.server_name, cluster_domain) if hello.server_name else None
    if hello.server_name not in (None, identity) and named is None:
        raise UnknownServer(
            f"the peer wants a server called {str(hello.server_name)[:253]!r}, which is not us"
        )
    if named is None and not any(protocol in hello.protocols for protocol in protocols):
        raise NoProtocolOfOurs("the peer offers no protocol that we speak (ALPN), and names no service (SNI)")
    return named


def service_named(server_name: str, cluster_domain: str) -> Named | None:
    """What `<port>.<service>.<namespace>.svc.<cluster domain>` names; None for every other name."""
    found = _SERVICE.match(server_name)
    if found is None or found[3] != cluster_domain or int(found[1]) > 65535:
        return None
    return Named(found[2], int(found[1]))


def alert_record(refusal: NotForUs) -> bytes:
    """A fatal alert in plain text, as it stands before there are keys."""
    return bytes((21, 3, 3, 0, 2, 2, refusal.alert))


_UNREADABLE = ClientHello(readable=False)


def _whole(message: bytearray) -> ClientHello | None:
    """What *message* says once it is whole; None while it is not."""
    if message and message[0] != _CLIENT_HELLO:
        return _UNREADABLE
    if len(message) < 4 or len(message) < 4 + int.from_bytes(message[1:4], "big"):
        return None
    try:
        return _read(_Bytes(bytes(message[4 : 4 + int.from_bytes(message[1:4], "big")])))
    except _TooShort:
        return _UNREADABLE


class _TooShort(Exception):
    """A length that points behind the end."""


class _Bytes:
    """Taken from the front, piece by piece."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        """The next *count* bytes. Raises _TooShort."""
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            raise _TooShort
        self._at += count
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """Bytes with their count, of *size* bytes, before them."""
        return self.take(self.number(size))


def _read(body: _Bytes) -> ClientHello:
    body.take(2 + 32)
    for size in (1, 2, 1):  # session id, cipher suites, compression methods
        body.vector(size)
    if not body:
        return ClientHello()
    extensions = _Bytes(body.vector(2))
    name: str | None = None
    protocols: tuple[str, ...] = ()
    while extensions:
        kind, content = extensions.number(2), _Bytes(extensions.vector(2))
        if kind == _SERVER_NAME:
            name = _server_name(_Bytes(content.vector(2)))
        elif kind == _ALPN:
            protocols = tuple(_protocols(_Bytes(content.vector(2))))
    return ClientHello(name, protocols)


def _server_name(names: _Bytes) -> str | None:
    while names:
        kind, name = names.number(1), names.vector(2)
        if kind == _HOST_NAME:
            return name.decode("latin-1").lower()
    return None


def _protocols(listed: _Bytes) -> Iterable[str]:
    while listed:
        yield listed.vector(1).decode("latin-1")
