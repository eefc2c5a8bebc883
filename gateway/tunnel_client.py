"""Making a tunnel to a gateway."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from certs.generation import Generation
from gateway import handshake, transport_header
from gateway.buffers import Buffers
from gateway.channel import Channel
from gateway.dial import dial
from gateway.direct import Direct
from gateway.frames import ALPN
from gateway.handshake import Secured, Threads
from gateway.refusals import TooSlow
from gateway.settings import Deadlines
from gateway.transport_header import TransportHeader
from gateway.tunnel import Tunnel
from gateway.wire import Wire
from process.address import Address


@dataclass(frozen=True, slots=True)
class TunnelClient:
    """What is needed to make tunnels; without any state of its own."""

    threads: Threads
    """Where handshakes are computed; None is the event loop's own."""

    buffers: Buffers
    deadlines: Deadlines
    allow_loopback: bool

    async def connect(self, address: Address, identity: str, generation: Callable[[], Generation]) -> Tunnel:
        """
        A tunnel to *address*, whose certificate says *identity*, and which has let us in.

        In TLS 1.3 a client has finished before the server has judged it, so PING goes out with our
        last handshake message, and only its PONG says that we are in.

        Raises BackendUnreachable, PeerUntrusted, ProtocolViolation, PeerGone and TooSlow.
        """
        async with self._wire(address) as wire:
            channel, secured = await self._secure(wire, identity, generation, ALPN)
            tunnel = Tunnel(channel, secured.peer, "client")
            tunnel.start()
            await tunnel.ping()
            return tunnel

    async def connect_direct(
        self, address: Address, identity: str, generation: Callable[[], Generation], header: TransportHeader
    ) -> Direct:
        """
        A connection to *address*, a Linkerd gateway, whose certificate says *identity*; *header* is sent.

        Nobody says whether we are let in, nor whether *header* leads somewhere: that shows when the
        first bytes come back. Raises like `connect`, also for a gateway that has not selected the
        protocol: to such a one raw bytes would be sent without anybody knowing where they are to go.
        """
        async with self._wire(address) as wire:
            channel, secured = await self._secure(wire, identity, generation, transport_header.ALPN)
            direct = Direct(channel, secured.peer)
            direct.send_header(transport_header.encode(header))
            return direct

    async def _secure(
        self, wire: Wire, identity: str, generation: Callable[[], Generation], protocol: str
    ) -> tuple[Channel, Secured]:
        secured = await handshake.connect(wire, generation, identity, self.threads, protocol=protocol)
        return Channel(wire, secured.engine, self.buffers, secured.unread), secured

    @asynccontextmanager
    async def _wire(self, address: Address) -> AsyncIterator[Wire]:
        """Connected to *address*, within the time of a handshake; closed again if that fails."""
        wire, _ = await dial(
            (address,),
            each=self.deadlines.connect,
            total=self.deadlines.connect_total,
            allow_loopback=self.allow_loopback,
        )
        try:
            async with asyncio.timeout(self.deadlines.handshake):
                yield wire
        except TimeoutError:
            wire.reset()
            raise TooSlow(f"the handshake with {address} took over {self.deadlines.handshake:g} s") from None
        except BaseException:
            wire.close()
            raise
