"""
Both ends in this process, over real sockets: an application, an outbound proxy, a gateway and a backend that
says everything again. What each end shows and trusts can be swapped.

    async with both_ends() as ends:
        application = await ends.call()
        await echoes(application, b"word")
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from certs.generation import Generation
from gateway.current import Current
from gateway.handshake_queue import HandshakeThreads
from gateway.inbound import Inbound
from gateway.lingering import Lingering
from gateway.listener import Listener, listening_socket
from gateway.metrics import DataPathMetrics
from gateway.outbound import Outbound
from gateway.pool import Pool
from gateway.routes import Route, RouteTable, Target
from gateway.settings import InboundSettings, OutboundSettings, PoolSettings
from gateway.tunnel import Tunnel
from process.address import Address
from tests.flows.test_both_ends_from_files import echo
from tests.support.pairs import CLIENT, GATEWAY, Local, local
from tests.support.pki import Pki
from tests.support.tunnelled import PORT, SERVICE, backend


@dataclass(slots=True)
class BothEnds:
    """What a test has of them."""

    pki: Pki
    inbound: Inbound
    outbound: Outbound
    target: Target
    at_gateway: Current[Generation]
    at_client: Current[Generation]
    registries: dict[str, CollectorRegistry]
    """What each end counts, by its direction."""
    applications: list[Local] = field(default_factory=list)
    serving: list[asyncio.Task[None]] = field(default_factory=list)

    async def call(self) -> Local:
        """A connection of an application to the service."""
        application, wire = await local()
        self.applications.append(application)
        self.serving.append(asyncio.create_task(self.outbound.serve(wire, self.target)))
        return application

    @property
    def pool(self) -> Pool:
        """The tunnels to the one gateway."""
        ((pool, _),) = self.outbound._pools.values()
        return pool

    @property
    def tunnels(self) -> set[Tunnel]:
        """The gateway's ends of all tunnels."""
        return set(self.inbound._tunnels)

    async def hung_up(self) -> None:
        for application in self.applications:
            if application.sock.fileno() >= 0:
                application.break_off()
        await asyncio.gather(*self.serving)


@asynccontextmanager
async def both_ends(
    pki: Pki | None = None,
    *,
    inbound_settings: InboundSettings | None = None,
    outbound_settings: OutboundSettings | None = None,
) -> AsyncIterator[BothEnds]:
    """No tunnel is made ahead unless *outbound_settings* say so."""
    pki = pki or Pki.make()
    at_gateway, at_client = Current(pki.generation(GATEWAY)), Current(pki.generation(CLIENT))
    registries = {direction: CollectorRegistry() for direction in ("inbound", "outbound")}
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(backend(echo))
        route = Route(SERVICE, PORT, (Address.parse(one.address),))
        threads = stack.enter_context(HandshakeThreads(1))
        lingering = await stack.enter_async_context(Lingering())
        inbound = Inbound(
            inbound_settings or InboundSettings(),
            generation=at_gateway,
            routes=Current(RouteTable.of([route], allow_loopback=True)),
            threads=threads,
            lingering=lingering,
            metrics=DataPathMetrics(registries["inbound"], "inbound"),
        )
        listener = await stack.enter_async_context(
            Listener(
                listening_socket(Address("127.0.0.1", 0)),
                inbound.serve,
                most=1000,
                refused=lambda _: None,
                failed=lambda: None,
            )
        )
        outbound = await stack.enter_async_context(
            Outbound(
                outbound_settings or OutboundSettings(allow_loopback=True, pool=PoolSettings(warm=0)),
                generation=at_client,
                threads=threads,
                lingering=lingering,
                metrics=DataPathMetrics(registries["outbound"], "outbound"),
            )
        )
        target = Target(SERVICE, PORT, (listener.address,), pki.identity(GATEWAY).dns_name)
        outbound.follow({target})
        ends = BothEnds(pki, inbound, outbound, target, at_gateway, at_client, registries)
        try:
            yield ends
        finally:
            await ends.hung_up()


async def echoes(application: Local, word: bytes) -> None:
    """The backend says *word* again."""
    await application.say(word)
    assert await application.hear(len(word)) == word


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # what is waited for has no Event
        await asyncio.sleep(0.01)
