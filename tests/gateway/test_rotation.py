"""Our certificate is another one: all tunnels are made anew in a while, and no stream notices."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certs.generation import Generation
from gateway.settings import InboundSettings, OutboundSettings, PoolSettings
from tests.support.both_ends import BothEnds, both_ends, echoes, until
from tests.support.pairs import CLIENT, GATEWAY
from tests.support.pki import Pki

PKI = Pki.make()
WARM = 2
RUNNING = 3


@asynccontextmanager
async def rotating(spread: float = 0.2) -> AsyncIterator[BothEnds]:
    pool = PoolSettings(warm=WARM, rotation_spread=spread)
    async with both_ends(
        PKI,
        inbound_settings=InboundSettings(rotation_spread=spread),
        outbound_settings=OutboundSettings(allow_loopback=True, pool=pool),
    ) as ends:
        following = asyncio.create_task(ends.inbound.follow_certificate(every=0.01))
        try:
            await until(lambda: ends.pool.sizes == (WARM, WARM))
            yield ends
        finally:
            following.cancel()
            await asyncio.wait([following])


def leaves(ends: BothEnds, name: str) -> list[bytes]:
    """What the other ends of *name* have seen of it, for each tunnel."""
    tunnels = ends.tunnels if name == CLIENT else set(ends.outbound._tunnels)
    return [tunnel.peer.chain[0] for tunnel in tunnels]


@pytest.mark.parametrize("name", [CLIENT, GATEWAY])
async def test_all_tunnels_are_made_anew_and_streams_run_on(name: str) -> None:
    async with rotating() as ends:
        running = [await ends.call() for _ in range(RUNNING)]
        for application in running:
            await echoes(application, b"one")
        await until(lambda: ends.pool.sizes == (WARM, WARM + RUNNING))
        old = set(leaves(ends, name))
        assert len(old) == 1
        generations = ends.at_client if name == CLIENT else ends.at_gateway
        generations.swap(PKI.generation(name, number=2))
        # The warm ones are new ones now; those in use are as they were.
        await until(lambda: sum(leaf in old for leaf in leaves(ends, name)) == RUNNING)
        for application in running:
            await echoes(application, b"two")
            application.finish()
            assert await application.hear_out() == "end"
        await until(lambda: not old & set(leaves(ends, name)))
        await until(lambda: ends.pool.sizes == (WARM, WARM))


@pytest.mark.parametrize("name", [CLIENT, GATEWAY])
async def test_the_same_certificate_read_again_replaces_nothing(name: str) -> None:
    async with rotating(spread=0.0) as ends:
        before = set(ends.outbound._tunnels)
        generations = ends.at_client if name == CLIENT else ends.at_gateway
        again = replace(generations(), number=2)
        asked = Counting(again)
        generations.swap(again)
        if name == CLIENT:
            ends.outbound._generation = asked
        else:
            ends.inbound._generation = asked
        await until(lambda: asked.times > 3)
        assert set(ends.outbound._tunnels) == before
        assert all(tunnel.usable for tunnel in before)


class Counting:
    """Says *generation*, and counts how often it was asked for."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self.times = 0

    def __call__(self) -> Generation:
        self.times += 1
        return self._generation


async def test_a_peer_whose_handshake_began_before_is_sent_on_at_once() -> None:
    """Nobody else would tell it: it was not there when the others were told."""
    old, new = PKI.generation(GATEWAY), PKI.generation(GATEWAY, number=2)
    asked = 0

    def first_old() -> Generation:
        nonlocal asked
        asked += 1
        return old if asked <= 2 else new  # for its ClientHello and for its TLS; then

    async with both_ends(PKI) as ends:
        ends.inbound._generation = first_old
        application = await ends.call()
        await echoes(application, b"served")
        assert asked > 2
        (tunnel,) = ends.outbound._tunnels
        assert tunnel.peer.chain[0] == new.credentials.leaf.public_bytes(Encoding.DER)
