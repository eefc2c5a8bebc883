"""
A gateway in this process: real sockets and handshakes; for its door alone if nothing is exported.

    async with open_gateway(PKI) as address:
        ...
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from certs.trust_bundle import TrustBundle
from gateway.current import Current
from gateway.handshake_queue import HandshakeThreads
from gateway.inbound import Inbound
from gateway.lingering import Lingering
from gateway.listener import Listener, listening_socket
from gateway.metrics import DataPathMetrics
from gateway.routes import NO_ROUTES, RouteTable
from gateway.settings import InboundSettings
from process.address import Address
from tests.support.pairs import GATEWAY
from tests.support.pki import Pki


@asynccontextmanager
async def open_gateway(
    pki: Pki,
    settings: InboundSettings | None = None,
    *,
    routes: RouteTable = NO_ROUTES,
    registry: CollectorRegistry | None = None,
) -> AsyncIterator[Address]:
    """Where it listens; it shows a certificate of *pki*, and lets in whom the anchors of that vouch for."""
    async with open_inbound(pki, settings, routes=routes, registry=registry) as (_, listener):
        yield listener.address


@asynccontextmanager
async def open_inbound(
    pki: Pki,
    settings: InboundSettings | None = None,
    *,
    routes: RouteTable = NO_ROUTES,
    registry: CollectorRegistry | None = None,
    threads: HandshakeThreads | None = None,
    bundle: TrustBundle | None = None,
) -> AsyncIterator[tuple[Inbound, Listener]]:
    """The same, and what it is made of. It lets in whom *bundle* vouches for, if that is given."""
    settings = settings or InboundSettings()
    generation = pki.generation(GATEWAY, bundle=bundle)
    metrics = DataPathMetrics(registry or CollectorRegistry(), "inbound")
    with threads or HandshakeThreads(2) as computing:
        async with Lingering() as lingering:
            inbound = Inbound(
                settings,
                generation=lambda: generation,
                routes=Current(routes),
                threads=computing,
                lingering=lingering,
                metrics=metrics,
            )
            async with Listener(
                listening_socket(Address("127.0.0.1", 0)),
                inbound.serve,
                most=100,
                refused=lambda refusal: metrics.refused(refusal.reason),
                failed=metrics.defect,
                silent=inbound.silent,
                first_byte=settings.deadlines.first_byte,
            ) as listener:
                yield inbound, listener
