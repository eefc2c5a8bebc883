"""
The other end of a raw TLS connection, made with Python's `ssl` alone: what a Linkerd proxy does, or any
client that begins with TLS, with each of the four ways in which it may end.

    peer = await TlsPeer.to(address, context, server_name="9898.podinfo.test.svc.cluster.local")
    await peer.say(b"question")
    await peer.end()  # close_notify, and nothing more
    assert await peer.hear_out() == "close_notify"
"""

import asyncio
import contextlib
import socket
import ssl
from typing import Literal, Self

from process.address import Address
from tests.support.pki import Pki

LINKERD: Literal["transport.l5d.io/v1"] = "transport.l5d.io/v1"
PREFACE = b"transport.l5d.io/v1\r\n\r\n"

Heard = Literal["close_notify", "fin", "reset"]


def context(
    pki: Pki, name: str, *, server: bool = False, alpn: tuple[str, ...] = (LINKERD,)
) -> ssl.SSLContext:
    """Of the client or server *name*, who knows its peer's anchor and asks for a certificate too."""
    generation = pki.generation(name, alpn_server=alpn, alpn_client=alpn[:1])
    return generation.server if server else generation.client


def linkerd_header(service: str, port: int, *, session: bytes = b"") -> bytes:
    """Written by hand, after the reference, so that our own encoder is not its own judge."""
    name = service.encode()
    varint = bytes((port & 0x7F | 0x80, port >> 7 & 0x7F | 0x80, port >> 14))
    message = b"\x08" + varint + b"\x12" + bytes((len(name),)) + name + session
    return PREFACE + len(message).to_bytes(4, "big") + message


class Left(AssertionError):
    """The other end has ended, and more was expected of it."""


class TlsPeer:
    """A TLS connection over a non-blocking socket, its two directions apart."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, server_name: str | None) -> None:
        """A client that asks for *server_name* ("" for none), or with None a server."""
        self.sock = sock
        self.heard = bytearray()
        self._loop = asyncio.get_running_loop()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_name is None,
            server_hostname=server_name or None,
        )

    @classmethod
    async def to(cls, address: Address, context: ssl.SSLContext, server_name: str) -> Self:
        """Connected to *address*, handshake done as far as a client can tell."""
        peer = cls(await _connected(address), context, server_name)
        await peer.shake_hands()
        return peer

    async def shake_hands(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                self._incoming.write(await self.receive())
            else:
                await self._flush()
                return

    async def say(self, data: bytes) -> None:
        self.tls.write(data)
        await self._flush()

    async def say_and_finish(self, data: bytes) -> None:
        """Like `say`, `end` and `fin`, in one segment."""
        self.tls.write(data)
        await self.finish()

    async def end(self) -> None:
        """close_notify: this direction has ended, the other goes on."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        await self._flush()

    def fin(self) -> None:
        """TCP's FIN; without `end` before it a truncation."""
        self.sock.shutdown(socket.SHUT_WR)

    async def finish(self) -> None:
        """close_notify and FIN, as most do it."""
        await self.end()
        self.fin()

    def break_off(self) -> None:
        """An RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    async def hear(self, count: int) -> bytes:
        """The next *count* bytes. Raises Left."""
        while len(self.heard) < count:
            if ended := await self._hear_more():
                raise Left(f"{ended} after {bytes(self.heard)[-100:]!r}")
        heard = bytes(self.heard[:count])
        del self.heard[:count]
        return heard

    async def hear_out(self) -> Heard:
        """All that still comes, into `heard`, and how it ended."""
        while True:
            if ended := await self._hear_more():
                return ended

    async def hear_tcp_out(self) -> Heard:
        """How the connection below ends, once TLS has."""
        try:
            while await self.receive():
                pass
        except ConnectionResetError:
            return "reset"
        return "fin"

    async def _hear_more(self) -> Heard | None:
        try:
            data = self.tls.read(2**20)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:  # so it is said if we have said it too; else by no bytes
            return "close_notify"
        else:
            self.heard += data
            return None if data else "close_notify"
        try:
            fresh = await self.receive()
        except ConnectionResetError:
            return "reset"
        if not fresh:
            return "fin"
        self._incoming.write(fresh)
        return None

    async def receive(self) -> bytes:
        """The next bytes on the wire, as they are."""
        return await self._loop.sock_recv(self.sock, 65536)

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._loop.sock_sendall(self.sock, self._outgoing.read())


async def _connected(address: Address) -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, (address.host, address.port))
    except BaseException:
        sock.close()
        raise
    return sock
