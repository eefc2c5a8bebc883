"""The two ends as processes: listeners, admin server, and an orderly end."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

from certs.source import CertificateSource
from gateway.current import Current
from gateway.doors import Doors
from gateway.handshake_queue import HandshakeThreads
from gateway.inbound import Inbound
from gateway.inquiries import Inquiries
from gateway.journal import Entry
from gateway.lingering import Lingering
from gateway.listener import Listener, listening_socket
from gateway.metrics import DataPathMetrics
from gateway.outbound import Outbound
from gateway.pulse import pulse
from gateway.routes import RouteTable, TargetTable
from gateway.settings import Drain, InboundSettings, OutboundSettings
from gateway.shares import Share
from process import descriptors
from process.address import Address

log = structlog.get_logger()

_HANDSHAKE_THREADS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where a gateway is reached."""

    peers: Address
    admin: Address
    probe: Address | None = None
    """`/ready` and `/live` and nothing else, for load balancers and other clusters."""


@dataclass(frozen=True, slots=True)
class OneInbound:
    """The gateway's end in one process."""

    inbound: Inbound
    listener: Listener

    async def drain(self, drain: Drain) -> None:
        """For a while all is served as ever, while peers are asked to go elsewhere; then the door closes."""
        log.info("gateway.draining", connections=self.listener.connections, streams=len(self.inbound.running))
        async with asyncio.TaskGroup() as both:
            both.create_task(self.inbound.drain(spread=drain.delay))
            both.create_task(asyncio.sleep(drain.delay))
        self.listener.stop_accepting()
        self.inbound.close()
        await self.listener.until_idle(drain.timeout)
        log.info("gateway.stopped", cut=len(self.inbound.running))


@asynccontextmanager
async def one_inbound(
    sock: socket.socket,
    settings: InboundSettings,
    certificates: CertificateSource,
    routes: Current[RouteTable],
    metrics: DataPathMetrics,
    share: Share | None = None,
) -> AsyncIterator[OneInbound]:
    """Serves what comes to *sock*, alone or with a *share* of it; when the block is left no connection is."""
    async with AsyncExitStack() as stack:
        threads = _threads(stack)
        lingering = await stack.enter_async_context(Lingering())
        inbound = Inbound(
            settings,
            generation=certificates.generation,
            routes=routes,
            threads=threads,
            lingering=lingering,
            metrics=metrics,
        )
        routes.swapped = inbound.recheck
        listener = await stack.enter_async_context(
            Listener(
                sock,
                inbound.serve,
                # One that is served has two descriptors, and as many may be silent yet.
                most=_most(settings.most_connections, each=3),
                refused=lambda refusal: metrics.refused(refusal.reason),
                failed=metrics.defect,
                silent=inbound.silent,
                first_byte=settings.deadlines.first_byte,
                share=share,
            )
        )
        looks = inbound.trust.follow(certificates.generation), inbound.follow_certificate()
        await stack.enter_async_context(_beating(lambda: inbound.running, inbound.loop_late, *looks))
        yield OneInbound(inbound, listener)


@asynccontextmanager
async def inbound_server(
    listen: Address,
    settings: InboundSettings,
    certificates: CertificateSource,
    routes: Current[RouteTable],
    metrics: DataPathMetrics,
    inquiries: Inquiries,
) -> AsyncIterator[Callable[[], None]]:
    """
    A gateway that serves within the block, and drains when the block is left.

    The block gets the function that says so in the log: to be called once there are routes.
    """
    sock = listening_socket(listen)
    async with one_inbound(sock, settings, certificates, routes, metrics) as one:
        inquiries.running = one.inbound.running

        def announce() -> None:
            listening = str(one.listener.address)
            log.info("gateway.ready", listen=listening, **inquiries.bound, identity=certificates.identity)

        yield announce
        inquiries.readiness.draining()
        await one.drain(settings.drain)


@asynccontextmanager
async def outbound_server(
    settings: OutboundSettings,
    certificates: CertificateSource,
    metrics: DataPathMetrics,
    inquiries: Inquiries,
    *,
    strict: bool = False,
) -> AsyncIterator[Callable[[TargetTable], Awaitable[None]]]:
    """
    An outbound proxy; the block gets the function that makes it offer a table of targets.

    If *strict*, that raises OSError for a first table of which an address cannot be had. (Later ones
    are taken for what they are worth, and the address is tried again.)
    """
    async with AsyncExitStack() as stack:
        threads = _threads(stack)
        lingering = await stack.enter_async_context(Lingering())
        outbound = await stack.enter_async_context(
            Outbound(
                settings,
                generation=certificates.generation,
                threads=threads,
                lingering=lingering,
                metrics=metrics,
            )
        )
        await stack.enter_async_context(
            _beating(
                lambda: outbound.running, outbound.loop_late, outbound.trust.follow(certificates.generation)
            )
        )
        doors = await stack.enter_async_context(
            Doors(outbound, most=_most(settings.most_connections, each=2), refused=metrics.refused)
        )
        inquiries.running = outbound.running
        yield _announcing(doors, inquiries.bound, certificates, strict=strict)
        inquiries.readiness.draining()
        log.info("outbound.draining", streams=len(outbound.running))
        await asyncio.sleep(settings.drain.delay)
        doors.stop_accepting()
        await doors.until_idle(settings.drain.timeout)
        log.info("outbound.stopped", cut=len(outbound.running))


def _announcing(
    doors: Doors, bound: dict[str, str], certificates: CertificateSource, *, strict: bool
) -> Callable[[TargetTable], Awaitable[None]]:
    """Follow a table; after the first one the proxy says that it is ready."""
    said = False

    async def follow(table: TargetTable) -> None:
        nonlocal said
        await doors.follow(table, all_or_none=not said and strict)
        if not said:
            said = True
            log.info("outbound.ready", listen=doors.listening, **bound, identity=certificates.identity)

    return follow


@asynccontextmanager
async def _beating(
    running: Callable[[], Iterable[Entry]],
    late: Callable[[float, float], None],
    *more: Coroutine[None, None, None],
) -> AsyncIterator[None]:
    """What has to be looked at again and again, within the block; an error in it ends the process."""
    async with asyncio.TaskGroup() as tasks:
        looks: list[Coroutine[None, None, None]] = [pulse(running, late), *more]
        beating = [tasks.create_task(look) for look in looks]
        try:
            yield
        finally:
            for task in beating:
                task.cancel()


def _threads(stack: AsyncExitStack) -> HandshakeThreads:
    return stack.enter_context(HandshakeThreads(_HANDSHAKE_THREADS))


def _most(wanted: int, *, each: int) -> int:
    """Connections at once: what is wanted, or what the descriptors allow."""
    available = descriptors.raise_limit()
    most = descriptors.bounded(wanted, each=each, available=available)
    if most < wanted:
        log.info("connections.bounded", most=most, wanted=wanted, descriptors=available)
    return most
