"""
An outbound proxy in this process, and applications that connect to it.

    async with calling(PKI, gateway.address) as caller:
        application = await caller.call()
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from certs.generation import Generation
from gateway.handshake_queue import HandshakeThreads
from gateway.lingering import Lingering
from gateway.metrics import DataPathMetrics
from gateway.outbound import Outbound
from gateway.routes import Protocol, Target
from gateway.settings import OutboundSettings
from process.address import Address
from tests.support.pairs import CLIENT, GATEWAY, Local, local
from tests.support.pki import ALPN as BOTH
from tests.support.pki import Pki


class Caller:
    """Connections of applications, all to one target."""

    def __init__(self, outbound: Outbound, target: Target) -> None:
        self._outbound = outbound
        self._target = target
        self._applications: list[Local] = []
        self.serving: list[asyncio.Task[None]] = []

    async def call(self) -> Local:
        application, wire = await local()
        self._applications.append(application)
        self.serving.append(asyncio.create_task(self._outbound.serve(wire, self._target)))
        return application

    async def hung_up(self) -> None:
        """All are reset that have not ended by themselves."""
        for application in self._applications:
            if application.sock.fileno() >= 0:
                application.break_off()
        await asyncio.gather(*self.serving)


@asynccontextmanager
async def calling(
    pki: Pki,
    *gateways: Address,
    protocol: Protocol = "jackstay/1",
    settings: OutboundSettings | None = None,
    registry: CollectorRegistry | None = None,
    generation: Generation | None = None,
    gateway: str = GATEWAY,
) -> AsyncIterator[Caller]:
    """
    An outbound proxy that knows *gateways*, which must prove to be *gateway*. It shows a certificate of
    *pki*, or *generation*; loopback is allowed unless *settings* say otherwise.
    """
    target = Target(
        "podinfo.test.svc.cluster.local", 9898, gateways, pki.identity(gateway).dns_name, protocol=protocol
    )
    shown = generation or pki.generation(CLIENT, alpn_client=BOTH)
    with HandshakeThreads(2) as threads:
        async with (
            Lingering() as lingering,
            Outbound(
                settings or OutboundSettings(allow_loopback=True),
                generation=lambda: shown,
                threads=threads,
                lingering=lingering,
                metrics=DataPathMetrics(registry or CollectorRegistry(), "outbound"),
            ) as outbound,
        ):
            outbound.follow({target})
            caller = Caller(outbound, target)
            try:
                yield caller
            finally:
                await caller.hung_up()
