"""Making a tunnel to a gateway."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from certs.generation import Generation
from gateway import handshake
from gateway.buffers import Buffers
from gateway.channel import Channel
from gateway.dial import dial
from gateway.handshake import Threads
from gateway.refusals import TooSlow
from gateway.settings import Deadlines
from gateway.tunnel import Tunnel
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
        wire, _ = await dial(
            (address,),
            each=self.deadlines.connect,
            total=self.deadlines.connect_total,
            allow_loopback=self.allow_loopback,
        )
        try:
            async with asyncio.timeout(self.deadlines.handshake):
                secured = await handshake.connect(wire, generation, identity, self.threads)
                channel = Channel(wire, secured.engine, self.buffers, secured.unread)
                tunnel = Tunnel(channel, secured.peer, "client")
                tunnel.start()
                await tunnel.ping()
                return tunnel
        except TimeoutError:
            wire.reset()
            raise TooSlow(f"the handshake with {address} took over {self.deadlines.handshake:g} s") from None
        except BaseException:
            wire.close()
            raise
