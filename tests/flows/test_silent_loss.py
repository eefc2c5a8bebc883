"""A load balancer forgets connections without a word: what was idle on them is found out, or tried again."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from gateway import pump
from gateway.pump import PumpLimits
from gateway.settings import Deadlines, OutboundSettings, PoolSettings
from process.address import Address
from tests.flows.test_both_ends_from_files import echo
from tests.support.callers import Caller, calling
from tests.support.gateways import open_gateway
from tests.support.pki import Pki
from tests.support.processes import PATIENCE, until
from tests.support.raw_gateway import one_route
from tests.support.relay import Relay
from tests.support.tunnelled import Backend, backend

PKI = Pki.make()


@asynccontextmanager
async def behind_a_relay(
    pool: PoolSettings, *, answer: float = 10.0, registry: CollectorRegistry | None = None
) -> AsyncIterator[tuple[Caller, Relay, Backend]]:
    """Applications, whose tunnels lead through a relay, and the backend that they reach."""
    settings = OutboundSettings(
        allow_loopback=True, pool=pool, deadlines=Deadlines(pump=PumpLimits(answer=answer))
    )
    async with (
        backend(echo) as one,
        open_gateway(PKI, routes=one_route(Address.parse(one.address))) as door,
        Relay(door) as relay,
        calling(PKI, relay.address, settings=settings, registry=registry) as caller,
    ):
        yield caller, relay, one


async def ask(caller: Caller) -> tuple[str, bytes]:
    async with asyncio.timeout(PATIENCE):
        application = await caller.call()
        await application.say(b"once")
        application.finish()
        return await application.hear_out(), bytes(application.heard)


def silent(lines: list[MutableMapping[str, Any]]) -> int:
    return sum(line["event"] == "tunnel.silent" for line in lines)


def idle(registry: CollectorRegistry) -> float | None:
    return registry.get_sample_value("jackstay_tunnels_idle", {"direction": "outbound"})


async def test_idle_tunnels_that_were_forgotten_are_found_out_and_replaced() -> None:
    registry = CollectorRegistry()
    pool = PoolSettings(warm=2, ping_every=0.1, ping_timeout=0.5)
    with capture_logs() as lines:
        async with behind_a_relay(pool, registry=registry) as (caller, relay, one):
            await until(lambda: idle(registry) == 2, "two idle tunnels")
            before = relay.connections
            relay.forget()
            # Each has been given up after a PING that nobody answered, and two new ones are there.
            await until(lambda: silent(lines) >= 2, "both to be found out")
            await until(lambda: idle(registry) == 2, "two idle tunnels")
            assert relay.connections == before + 2
            assert relay.swallowed > 0
            assert await ask(caller) == ("end", b"once")
            assert one.connections == 1


async def test_a_request_on_a_forgotten_tunnel_that_was_not_heard_for_long_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was not even begun to be sent: only OPEN was, and nobody has answered that."""
    pool = PoolSettings(warm=0, ping_every=1000.0)
    async with behind_a_relay(pool, answer=0.5) as (caller, relay, one):
        assert await ask(caller) == ("end", b"once")
        await asyncio.gather(*caller.serving)
        monkeypatch.setattr(pump, "FRESH", -1.0)
        relay.forget()
        assert await ask(caller) == ("end", b"once")
        assert relay.swallowed > 0
        assert (relay.connections, one.connections) == (2, 2)


async def test_a_request_that_was_sent_on_a_forgotten_tunnel_is_not_tried_again() -> None:
    pool = PoolSettings(warm=0, ping_every=1000.0)
    async with behind_a_relay(pool, answer=0.5) as (caller, relay, one):
        assert await ask(caller) == ("end", b"once")
        await asyncio.gather(*caller.serving)
        relay.forget()
        assert await ask(caller) == ("reset", b"")
        assert (relay.connections, one.connections) == (1, 1)
