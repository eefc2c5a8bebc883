"""
A gateway in this process with one exported service, a peer made with Python's `ssl` before it and a
backend behind it: both of them sockets in the hands of the test.

    async with reached("transport.l5d.io/v1") as (peer, backend):
        await peer.say(b"question")
"""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from prometheus_client import CollectorRegistry

from gateway.routes import Route, RouteTable
from gateway.settings import InboundSettings
from process.address import Address
from tests.support.gateways import open_gateway
from tests.support.pairs import CLIENT, GATEWAY, Local
from tests.support.pki import Pki
from tests.support.tls_peer import LINKERD, TlsPeer, context, linkerd_header

PKI = Pki.make()
IDENTITY = PKI.identity(GATEWAY).dns_name
SERVICE, PORT = "podinfo.test.svc.cluster.local", 9898
SNI = "sni"
"""Raw bytes, without ALPN."""


class Tunnelled(TlsPeer):
    """A peer that speaks `jackstay/1`, its frames written by hand."""

    _left = 0  # bytes of a DATA frame that are still to come

    async def open(self) -> None:
        body = json.dumps({"service": SERVICE, "port": PORT, "id": "ab" * 16}).encode()
        await super().say(b"\x01" + len(body).to_bytes(3, "big") + body)
        assert await super().hear(4) == b"\x02\0\0\0"

    async def say(self, data: bytes) -> None:
        for at in range(0, len(data), 65536):
            part = data[at : at + 65536]
            await super().say(b"\x04" + len(part).to_bytes(3, "big") + part)

    async def hear(self, count: int) -> bytes:
        heard = b""
        while len(heard) < count:
            if not self._left:
                header = await super().hear(4)
                assert header[0] == 4, header
                self._left = int.from_bytes(header[1:], "big")
            part = await super().hear(min(self._left, count - len(heard)))
            self._left -= len(part)
            heard += part
        return heard


class Backends:
    """A listening socket whose connections are accepted by the test."""

    def __init__(self) -> None:
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.setblocking(False)

    @property
    def address(self) -> Address:
        host, port = self.sock.getsockname()
        return Address(host, port)

    def close(self) -> None:
        self.sock.close()

    async def accept(self) -> Local:
        sock, _ = await asyncio.get_running_loop().sock_accept(self.sock)
        sock.setblocking(False)
        return Local(sock)


def one_route(backend: Address, **more: bool) -> RouteTable:
    return RouteTable.of([Route(SERVICE, PORT, (backend,), **more)], allow_loopback=True)  # type: ignore[arg-type] # flags of Route


async def peer_of(address: Address, protocol: str) -> TlsPeer:
    """A peer that has asked for the service, in the way of *protocol*."""
    match protocol:
        case "sni":
            return await TlsPeer.to(address, without_alpn(), f"{PORT}.{SERVICE}")
        case "transport.l5d.io/v1":
            peer = await TlsPeer.to(address, context(PKI, CLIENT), IDENTITY)
            await peer.say(linkerd_header(SERVICE, PORT))
            return peer
        case _:
            tunnelled = await Tunnelled.to(address, context(PKI, CLIENT, alpn=("jackstay/1",)), IDENTITY)
            await tunnelled.open()
            return tunnelled


def without_alpn() -> ssl.SSLContext:
    return context(PKI, CLIENT, alpn=())


@asynccontextmanager
async def reached(
    protocol: str = LINKERD,
    *,
    settings: InboundSettings | None = None,
    registry: CollectorRegistry | None = None,
    **route: bool,
) -> AsyncIterator[tuple[TlsPeer, Local]]:
    """A peer that has reached a backend."""
    with closing(Backends()) as backends:
        async with open_gateway(
            PKI, settings, routes=one_route(backends.address, **route), registry=registry
        ) as address:
            peer, backend = await asyncio.gather(peer_of(address, protocol), backends.accept())
            try:
                yield peer, backend
            finally:
                peer.sock.close()
                backend.sock.close()
