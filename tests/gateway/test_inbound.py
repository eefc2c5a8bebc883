"""How long a peer may be silent, and what becomes of those for whom there is no time."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

import pytest
from prometheus_client import CollectorRegistry

from gateway import handshake
from gateway.buffers import Buffers
from gateway.channel import Channel
from gateway.connecting import connect
from gateway.current import Current
from gateway.handshake_queue import HandshakeThreads
from gateway.inbound import Inbound
from gateway.lingering import Lingering
from gateway.metrics import DataPathMetrics
from gateway.refusals import Crowded
from gateway.routes import NO_ROUTES
from gateway.settings import Deadlines, InboundSettings
from gateway.tls_engine import TlsEngine
from gateway.tunnel import Tunnel
from process.address import Address
from tests.support.gateways import open_gateway
from tests.support.pairs import CLIENT, GATEWAY, wires
from tests.support.pki import Pki

T = TypeVar("T")

PKI = Pki.make()
IDENTITY = PKI.identity(GATEWAY).dns_name
OURS = PKI.generation(CLIENT, bundle=PKI.bundle)
GATEWAYS = PKI.generation(GATEWAY)
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


class Full(HandshakeThreads):
    """Threads with more to do than they can."""

    async def run(self, work: Callable[[], T], *, begun: bool) -> T:
        raise Crowded("it has waited 1 s for its turn")


async def test_who_has_waited_too_long_for_a_thread_is_cut_off_and_counted() -> None:
    registry = CollectorRegistry()
    metrics = DataPathMetrics(registry, "inbound")
    ours, theirs = await wires()
    with Full(0) as threads:
        async with Lingering() as lingering:
            inbound = Inbound(
                InboundSettings(),
                generation=lambda: GATEWAYS,
                routes=Current(NO_ROUTES),
                threads=threads,
                lingering=lingering,
                metrics=metrics,
            )
            client = TlsEngine(OURS.client, server_name=IDENTITY)
            client.shake_hands(b"")
            await ours.send_all(client.outgoing())
            await inbound.serve(theirs)
            with pytest.raises(ConnectionResetError):
                await ours.receive()
    ours.close()
    labels = {"direction": "inbound", "reason": "limit"}
    assert registry.get_sample_value("jackstay_refused_total", labels) == 1
    labels = {"direction": "inbound", "result": "limit"}
    assert registry.get_sample_value("jackstay_handshakes_total", labels) == 1
