"""Other trust anchors: who came in under the old ones gets no new stream, and in a while no old one."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from gateway import handshake
from gateway.buffers import Buffers
from gateway.channel import Channel
from gateway.current import Current
from gateway.handshake_queue import HandshakeThreads
from gateway.inbound import Inbound
from gateway.lingering import Lingering
from gateway.metrics import DataPathMetrics
from gateway.routes import NO_ROUTES
from gateway.settings import InboundSettings
from gateway.trust import follow_anchors
from gateway.tunnel import Tunnel
from tests.support.pairs import CLIENT, GATEWAY, wires
from tests.support.pki import Pki

OLD, NEW = Pki.make(), Pki.make()


@pytest.mark.parametrize("vouched_for", [False, True])
async def test_new_anchors(*, vouched_for: bool) -> None:
    generation = Current(OLD.generation(GATEWAY))
    ours, theirs = await wires()
    with HandshakeThreads(2) as threads:
        async with Lingering() as lingering:
            inbound = Inbound(
                InboundSettings(max_identity_overrun=0.05),
                generation=generation,
                routes=Current(NO_ROUTES),
                threads=threads,
                lingering=lingering,
                metrics=DataPathMetrics(CollectorRegistry(), "inbound"),
            )
            serving = asyncio.create_task(inbound.serve(theirs))
            client_generation = OLD.generation(CLIENT)
            identity = OLD.identity(GATEWAY).dns_name
            secured = await handshake.connect(ours, lambda: client_generation, identity, threads)
            tunnel = Tunnel(Channel(ours, secured.engine, Buffers(), secured.unread), secured.peer, "client")
            tunnel.start()
            await tunnel.ping()
            looked = asyncio.Event()

            def untrusted(refused: object) -> None:
                looked.set()
                inbound.untrusted(refused)  # type: ignore[arg-type]

            following = asyncio.create_task(follow_anchors(generation, inbound.chains, untrusted, every=0.01))
            await asyncio.sleep(0)
            generation.swap(OLD.generation(GATEWAY) if vouched_for else NEW.generation(GATEWAY))
            async with asyncio.timeout(10):
                if vouched_for:
                    await asyncio.sleep(0.1)  # it is time that must pass here, and nothing must happen
                    await tunnel.ping()
                    assert not looked.is_set()
                    assert tunnel.going_away is None
                    tunnel.close()
                else:
                    await looked.wait()
                    await serving
                    tunnel.look()
                    assert tunnel.going_away == 0
            following.cancel()
            await asyncio.wait({serving, following})
            tunnel.close()
