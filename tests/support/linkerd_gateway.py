"""
A Linkerd gateway of a test's own, made with Python's `ssl`: it takes each connection in, reads the
header and whatever the test wants to read behind it, and ends as the test says.

    async with LinkerdGateway(PKI) as gateway:
        peer = await gateway.called()
"""

import asyncio
import socket
import ssl
from types import TracebackType
from typing import Self

from process.address import Address
from tests.support.pairs import GATEWAY
from tests.support.pki import Pki
from tests.support.tls_peer import LINKERD, PREFACE, TlsPeer, context


class LinkerdGateway:
    """Listens within its block; connections wait until they are `called`."""

    def __init__(self, pki: Pki, *, alpn: tuple[str, ...] = (LINKERD,)) -> None:
        self._context = context(pki, GATEWAY, server=True, alpn=alpn)
        self._sock = socket.create_server(("127.0.0.1", 0))
        self._sock.setblocking(False)
        self._peers: list[TlsPeer] = []
        self.server_names: list[str | None] = []
        """What the clients have asked for by SNI."""
        self._context.sni_callback = self._asked_for

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sock.close()
        for peer in self._peers:
            peer.sock.close()

    @property
    def address(self) -> Address:
        host, port = self._sock.getsockname()
        return Address(host, port)

    async def accept(self) -> TlsPeer:
        """The next connection, handshake done."""
        sock, _ = await asyncio.get_running_loop().sock_accept(self._sock)
        sock.setblocking(False)
        peer = TlsPeer(sock, self._context, None)
        self._peers.append(peer)
        await peer.shake_hands()
        return peer

    async def called(self) -> tuple[TlsPeer, bytes]:
        """The next connection, and the message of its header."""
        peer = await self.accept()
        assert await peer.hear(len(PREFACE)) == PREFACE
        return peer, await peer.hear(int.from_bytes(await peer.hear(4), "big"))

    def nobody_waits(self) -> bool:
        """Whether no further connection has been made."""
        try:
            sock, _ = self._sock.accept()
        except BlockingIOError:
            return True
        sock.close()
        return False

    def _asked_for(self, _: ssl.SSLSocket | ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        self.server_names.append(name)
