"""
TLS 1.3 written out by hand: a client or a server that shows any bytes as its certificates and proves, or does
not prove, that it has their key. OpenSSL shows only what it can read itself.

    peer = await BareTls.to(address, shown)
    await peer.shake_hands()
    await peer.say(b"question")
    async for data in peer.heard(): ...   # until Ended, with the alert if there was one

One cipher (AES-128-GCM with SHA-256), one group (X25519). What the other end shows is not looked at: it
is what is tested.
"""

import asyncio
import hashlib
import hmac
import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from process.address import Address

CLIENT_HELLO, SERVER_HELLO, EXTENSIONS, CERTIFICATE, REQUEST, PROOF, FINISHED = 1, 2, 8, 11, 13, 15, 20
CHANGE_CIPHER, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
SCHEMES = (0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0807, 0x0808, 0x0401, 0x0501, 0x0203, 0x0201)

Sign = Callable[[bytes], tuple[int, bytes] | None]
"""From what is to be signed to scheme and signature; None to leave the proof out."""


@dataclass(frozen=True)
class Ended(Exception):
    """The other end has ended, with this alert if it is not None."""

    alert: int | None


def signing(key: Any) -> Sign:
    """As the holder of *key* signs, by the scheme for keys of its kind."""

    def sign(content: bytes) -> tuple[int, bytes]:
        match key:
            case rsa.RSAPrivateKey():
                pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
                return 0x0804, key.sign(content, pss, hashes.SHA256())
            case ed25519.Ed25519PrivateKey():
                return 0x0807, key.sign(content)
            case ed448.Ed448PrivateKey():
                return 0x0808, key.sign(content)
            case ec.EllipticCurvePrivateKey():
                scheme, digest = _BY_BITS.get(key.key_size, (0x0403, hashes.SHA256()))
                return scheme, key.sign(content, ec.ECDSA(digest))
        raise TypeError(key)

    return sign


_BY_BITS: dict[int, tuple[int, hashes.HashAlgorithm]] = {
    384: (0x0503, hashes.SHA384()),
    521: (0x0603, hashes.SHA512()),
}


@dataclass(frozen=True)
class Shown:
    """What an end shows, and how it proves that it is the holder."""

    chain: Sequence[bytes]
    sign: Sign = field(repr=False)


def vector(length: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return len(body).to_bytes(length) + body


def extension(number: int, body: bytes) -> bytes:
    return number.to_bytes(2) + vector(2, body)


class _Keys:
    """One direction's keys."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self._aead = AESGCM(_expand(secret, b"key", b"", 16))
        self._iv = int.from_bytes(_expand(secret, b"iv", b"", 12))
        self._count = 0

    def _nonce(self) -> bytes:
        self._count += 1
        return (self._iv ^ (self._count - 1)).to_bytes(12)

    def seal(self, kind: int, data: bytes) -> bytes:
        head = b"\x17\3\3" + (len(data) + 17).to_bytes(2)
        return head + self._aead.encrypt(self._nonce(), data + bytes((kind,)), head)

    def open(self, head: bytes, body: bytes) -> tuple[int, bytes]:
        inner = self._aead.decrypt(self._nonce(), body, head).rstrip(b"\0")
        return inner[-1], inner[:-1]


class BareTls:
    """One end of one connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, shown: Shown, *, server: bool
    ) -> None:
        self._reader, self._writer = reader, writer
        self._shown = shown
        self._server = server
        self._transcript = b""
        self._messages = b""
        self._reading: _Keys | None = None
        self._writing: _Keys | None = None
        self._private = X25519PrivateKey.generate()

    @classmethod
    async def to(cls, address: Address, shown: Shown) -> Self:
        """A client, connected to *address*."""
        return cls(*await asyncio.open_connection(address.host, address.port), shown, server=False)

    @property
    def _share(self) -> bytes:
        return self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    async def shake_hands(self, *, alpn: bytes = b"jackstay/1") -> None:
        """To the end, as far as this side can tell. Raises Ended."""
        await (self._serve(alpn) if self._server else self._ask(alpn))

    async def _ask(self, alpn: bytes) -> None:
        schemes = vector(2, *(scheme.to_bytes(2) for scheme in SCHEMES))
        extensions = (
            extension(43, vector(1, b"\3\4"))
            + extension(10, vector(2, b"\0\x1d"))
            + extension(13, schemes)
            + extension(51, vector(2, b"\0\x1d", vector(2, self._share)))
            + extension(16, vector(2, vector(1, alpn)))
        )
        hello = b"\3\3" + os.urandom(32) + b"\0" + vector(2, b"\x13\1") + b"\1\0" + vector(2, extensions)
        self._send(CLIENT_HELLO, hello)
        answer = await self._message(SERVER_HELLO)
        at = 35 + answer[34] + 3
        schedule = _Schedule(self._private.exchange(_share_in(answer[at:])), self._transcript)
        secrets = schedule.handshake
        self._reading, self._writing = _Keys(secrets.server), _Keys(secrets.client)
        for kind in (EXTENSIONS, REQUEST, CERTIFICATE, PROOF, FINISHED):
            await self._message(kind)
        of_data = schedule.data(self._transcript)
        self._show(b"client", secrets.client)
        self._reading, self._writing = _Keys(of_data.server), _Keys(of_data.client)

    async def _serve(self, alpn: bytes) -> None:
        hello = await self._message(CLIENT_HELLO)
        session = hello[34 : 35 + hello[34]]
        after = 35 + hello[34]
        after += 2 + int.from_bytes(hello[after : after + 2])
        share = _share_in(hello[after + 1 + hello[after] :])
        extensions = extension(43, b"\3\4") + extension(51, b"\0\x1d" + vector(2, self._share))
        self._send(SERVER_HELLO, b"\3\3" + os.urandom(32) + session + b"\x13\1\0" + vector(2, extensions))
        schedule = _Schedule(self._private.exchange(share), self._transcript)
        secrets = schedule.handshake
        self._reading, self._writing = _Keys(secrets.client), _Keys(secrets.server)
        self._send(EXTENSIONS, vector(2, extension(16, vector(2, vector(1, alpn)))))
        schemes = vector(2, *(scheme.to_bytes(2) for scheme in SCHEMES))
        self._send(REQUEST, b"\0" + vector(2, extension(13, schemes)))
        self._show(b"server", secrets.server)
        of_data = schedule.data(self._transcript)
        self._writing = _Keys(of_data.server)
        for kind in (CERTIFICATE, PROOF, FINISHED):
            await self._message(kind)
        self._reading = _Keys(of_data.client)

    def _show(self, side: bytes, secret: bytes) -> None:
        """Certificates, the proof and Finished."""
        entries = b"".join(vector(3, link) + b"\0\0" for link in self._shown.chain)
        self._send(CERTIFICATE, b"\0" + vector(3, entries))
        content = b" " * 64 + b"TLS 1.3, " + side + b" CertificateVerify\0" + _hash(self._transcript)
        proof = self._shown.sign(content) if self._shown.chain else None
        if proof is not None:
            scheme, signature = proof
            self._send(PROOF, scheme.to_bytes(2) + vector(2, signature))
        self._send(FINISHED, _hmac(_expand(secret, b"finished", b"", 32), _hash(self._transcript)))

    async def say(self, data: bytes) -> None:
        assert self._writing is not None
        self._writer.write(self._writing.seal(DATA, data))

    async def hear(self) -> bytes:
        """The next application data. Raises Ended."""
        while True:
            kind, data = await self._record()
            if kind == DATA:
                return data

    async def heard(self) -> AsyncIterator[bytes]:
        """All that comes. Raises Ended."""
        while True:
            yield await self.hear()

    def close(self) -> None:
        self._writer.close()

    def _send(self, kind: int, body: bytes) -> None:
        message = bytes((kind,)) + vector(3, body)
        self._transcript += message
        for at in range(0, len(message), 16384):
            part = message[at : at + 16384]
            if self._writing is None:
                self._writer.write(b"\x16\3\3" + vector(2, part))
            else:
                self._writer.write(self._writing.seal(HANDSHAKE, part))

    async def _message(self, kind: int) -> bytes:
        """The body of the next handshake message, which must be *kind*."""
        while len(self._messages) < 4 or len(self._messages) < 4 + int.from_bytes(self._messages[1:4]):
            _, data = await self._record()
            self._messages += data
        end = 4 + int.from_bytes(self._messages[1:4])
        message, self._messages = self._messages[:end], self._messages[end:]
        assert message[0] == kind, f"message {message[0]} where {kind} was to come"
        self._transcript += message
        return message[4:]

    async def _record(self) -> tuple[int, bytes]:
        """The next record that says something. Raises Ended."""
        while True:
            try:
                head = await self._reader.readexactly(5)
                body = await self._reader.readexactly(int.from_bytes(head[3:]))
            except (asyncio.IncompleteReadError, ConnectionError):
                raise Ended(None) from None
            kind, data = head[0], body
            if kind == DATA and self._reading is not None:
                kind, data = self._reading.open(head, body)
            if kind == ALERT:
                raise Ended(data[1])
            if kind != CHANGE_CIPHER:
                return kind, data


@dataclass(frozen=True)
class _Both:
    client: bytes
    server: bytes


class _Schedule:
    """The key schedule of RFC 8446, 7.1, from both hellos on."""

    def __init__(self, shared: bytes, transcript: bytes) -> None:
        early = _hmac(bytes(32), bytes(32))
        handshake = _hmac(_expand(early, b"derived", _hash(b""), 32), shared)
        self._master = _hmac(_expand(handshake, b"derived", _hash(b""), 32), bytes(32))
        self.handshake = _both(handshake, b"hs", transcript)

    def data(self, transcript: bytes) -> _Both:
        """Once the server has finished."""
        return _both(self._master, b"ap", transcript)


def _both(secret: bytes, label: bytes, transcript: bytes) -> _Both:
    over = _hash(transcript)
    return _Both(*(_expand(secret, side + label + b" traffic", over, 32) for side in (b"c ", b"s ")))


def _share_in(extensions: bytes) -> X25519PublicKey:
    """The X25519 share in the extensions of a hello, which begin with their length."""
    at = 2
    while at < len(extensions):
        number, length = int.from_bytes(extensions[at : at + 2]), int.from_bytes(extensions[at + 2 : at + 4])
        body = extensions[at + 4 : at + 4 + length]
        if number == 51 and (found := body.find(b"\0\x1d\0\x20")) >= 0:
            return X25519PublicKey.from_public_bytes(body[found + 4 : found + 36])
        at += 4 + length
    raise AssertionError("the hello holds no share of X25519")


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def _expand(secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """HKDF-Expand-Label (RFC 8446, 7.1), for at most one hash's worth."""
    info = length.to_bytes(2) + vector(1, b"tls13 " + label) + vector(1, context)
    return _hmac(secret, info + b"\1")[:length]
