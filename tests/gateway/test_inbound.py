"""How long a peer may be silent."""

import asyncio
import time

from gateway import handshake
from gateway.buffers import Buffers
from gateway.channel import Channel
from gateway.settings import Deadlines, InboundSettings
from gateway.tunnel import Tunnel
from gateway.wire import connect
from process.address import Address
from tests.support.gateways import open_gateway
from tests.support.pairs import CLIENT, GATEWAY
from tests.support.pki import Pki

PKI = Pki.make()
IDENTITY = PKI.identity(GATEWAY).dns_name
OURS = PKI.generation(CLIENT, bundle=PKI.bundle)
FIRST_FRAME = 0.3
"""Seconds."""


class CoarseClock(asyncio.SelectorEventLoop):
    """As uvloop's clock, which stands still within a millisecond; here for longer, to be certain."""

    def time(self) -> float:
        return super().time() // 0.1 * 0.1


async def tunnel_to(address: Address) -> Tunnel:
    """A tunnel that has said PING as soon as the gateway began to wait for that, and then nothing more."""
    buffers = Buffers()
    wire = await connect(address, timeout=5)
    secured = await handshake.connect(wire, lambda: OURS, IDENTITY, None)
    tunnel = Tunnel(Channel(wire, secured.engine, buffers, secured.unread), secured.peer, "client")
    tunnel.start()
    verified_at = time.monotonic() + 0.02
    while time.monotonic() < verified_at:  # noqa: ASYNC110  # within a tick of the coarse clock
        await asyncio.sleep(0)
    await tunnel.ping()
    return tunnel


async def tunnels_that_live_on() -> list[bool]:
    """Of some such tunnels: which are there after the first frame's time."""
    settings = InboundSettings(deadlines=Deadlines(first_frame=FIRST_FRAME))
    async with open_gateway(PKI, settings) as address:
        made = [await tunnel_to(address) for _ in range(4)]
        await asyncio.sleep(FIRST_FRAME * 2)  # it is time that must pass here, and nothing must happen
        for tunnel in made:
            tunnel.look()
        living = [tunnel.usable for tunnel in made]
        for tunnel in made:
            tunnel.close()
        return living


def test_a_peer_that_has_said_ping_was_heard_also_within_one_tick_of_the_clock() -> None:
    with asyncio.Runner(loop_factory=CoarseClock) as runner:
        assert runner.run(tunnels_that_live_on()) == [True] * 4
