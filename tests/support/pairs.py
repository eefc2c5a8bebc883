"""
Two ends of one tunnel in this process: real sockets, real certificates, real handshakes.

    async with tunnel_pair() as (client, server):
        ...
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway import handshake
from gateway.buffers import Buffers
from gateway.channel import Channel
from gateway.handshake_queue import HandshakeThreads
from gateway.tunnel import Tunnel
from gateway.wire import Wire, set_options
from process.address import Address
from tests.support.pki import Pki

GATEWAY = "jackstay-gateway.jackstay"
CLIENT = "web.test"
SOMEWHERE = Address("127.0.0.1", 1)


async def connected_sockets() -> tuple[socket.socket, socket.socket]:
    """Both ends of a TCP connection over loopback, non-blocking."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        first = socket.socket()
        first.setblocking(False)
        await loop.sock_connect(first, listening.getsockname())
        second, _ = await loop.sock_accept(listening)
    for one in (first, second):
        set_options(one)
    return first, second


async def wires() -> tuple[Wire, Wire]:
    """Both ends of a TCP connection as wires."""
    first, second = await connected_sockets()
    return Wire(first, SOMEWHERE), Wire(second, SOMEWHERE)


@asynccontextmanager
async def tunnel_pair(pki: Pki | None = None) -> AsyncIterator[tuple[Tunnel, Tunnel]]:
    """A client's and a server's end, handshake done, PING not yet sent; closed when the block is left."""
    pki = pki or Pki.make()
    ours, theirs = await wires()
    with HandshakeThreads(2) as threads:
        identity = pki.identity(GATEWAY).dns_name
        for_client, for_server = pki.generation(CLIENT), pki.generation(GATEWAY)
        client, server = await asyncio.gather(
            handshake.connect(ours, lambda: for_client, identity, threads),
            handshake.accept(theirs, lambda: for_server, threads),
        )
    pair = (
        Tunnel(Channel(ours, client.engine, Buffers(), client.unread), client.peer, "client"),
        Tunnel(Channel(theirs, server.engine, Buffers(), server.unread), server.peer, "server"),
    )
    try:
        for tunnel in pair:
            tunnel.start()
        yield pair
    finally:
        for tunnel in pair:
            tunnel.close()


@dataclass(slots=True)
class Local:
    """An application or a backend: what it hears, and how that ended."""

    sock: socket.socket
    heard: bytearray = field(default_factory=bytearray)

    async def say(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    def finish(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def break_off(self) -> None:
        """Close with an RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    async def hear(self, count: int) -> bytes:
        """The next *count* bytes."""
        while len(self.heard) < count:
            more = await asyncio.get_running_loop().sock_recv(self.sock, 65536)
            assert more, f"it ended after {bytes(self.heard)!r}"
            self.heard += more
        heard = bytes(self.heard[:count])
        del self.heard[:count]
        return heard

    async def hear_out(self) -> str:
        """Everything up to the end, into `heard`; returns "end" or "reset"."""
        try:
            while more := await asyncio.get_running_loop().sock_recv(self.sock, 65536):
                self.heard += more
        except ConnectionResetError:
            return "reset"
        return "end"


async def local() -> tuple[Local, Wire]:
    """An application or backend, and the wire that we hold of it."""
    theirs, ours = await connected_sockets()
    return Local(theirs), Wire(ours, SOMEWHERE)
