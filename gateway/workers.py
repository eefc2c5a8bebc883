"""
A gateway of several processes: workers that share one listening socket, and the supervisor that opened it.

The supervisor serves no peer. It keeps the listener open, so that who waits to be accepted is not lost with a
worker, replaces workers that die, and answers for all of them on the admin port. Each worker follows
certificates and routes by itself, files as well as the cluster: what one gets wrong, the others do not.
"""

import asyncio
import contextlib
import functools
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge

from certs.source import CertificateSource
from gateway.current import Current
from gateway.inquiries import Inquiries
from gateway.listener import listening_socket
from gateway.metrics import DataPathMetrics
from gateway.routes import RouteTable
from gateway.server import Listening, one_inbound
from gateway.settings import Drain, InboundSettings
from gateway.shares import Counts, Share
from process.address import Address
from process.admin import AdminServer, accepting
from process.supervisor import Supervisor

log = structlog.get_logger()

_OVERDUE = 6.0
"""Seconds for what follows a worker's drain (5 s for slow readers), after which it hangs."""


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a worker gets from its supervisor: its number of how many, and descriptors."""

    number: int
    workers: int
    listener: int
    counts: int
    control: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str()` of one gives. Raises ValueError."""
        number, workers, listener, counts, control = map(int, text.split(","))
        return cls(number, workers, listener, counts, control)

    def __str__(self) -> str:
        return f"{self.number},{self.workers},{self.listener},{self.counts},{self.control}"


async def supervise_gateway(
    workers: int,
    command: Sequence[str],
    listening: Listening,
    identity: str,
    time: Drain,
    stopping: asyncio.Event,
    *,
    hung_after: float,
) -> None:
    """
    Run *workers* gateways until *stopping* is set and all have drained; who exceeds *time* is killed, and
    before that who does not answer for *hung_after* seconds.

    Each is started by *command* and `--worker` with what it inherits; it must go on to `inbound_worker`.
    """
    loop = asyncio.get_running_loop()
    counts = Counts.made_for(workers)
    with listening_socket(listening.peers, at_once=False) as listener:
        host, port, *_ = listener.getsockname()

        def command_line(number: int, control: int) -> list[str]:
            given = Inherited(number, workers, listener.fileno(), counts.descriptor, control)
            return [*command, "--worker", str(given)]

        registry = CollectorRegistry()
        held = Gauge(
            "jackstay_worker_connections", "Connections held by a worker.", ("worker",), registry=registry
        )
        for number in range(workers):
            held.labels(str(number)).set_function(functools.partial(counts.of, number))
        supervisor = Supervisor(
            workers,
            command_line,
            registry,
            inherited=(listener.fileno(), counts.descriptor),
            gone=counts.forget,
            hung_after=hung_after,
        )
        async with _answering_for_all(supervisor, listening, stopping) as bound:

            async def announce() -> None:
                await supervisor.until_complete()
                listen = str(Address(host, port))
                log.info("gateway.ready", listen=listen, **bound, identity=identity, workers=workers)

            async def drain() -> None:
                await stopping.wait()
                end = loop.time() + time.delay + time.timeout + _OVERDUE
                announcing.cancel()
                # Each worker empties the queue and closes its copy at its time; ours must not outlive theirs.
                listener.close()
                log.info("gateway.draining", connections=sum(counts.serving))
                await supervisor.drain()
                await asyncio.wait({running}, timeout=end - loop.time())
                if not running.done():
                    log.error("gateway.overdue", connections=sum(counts.serving))
                    running.cancel()

            async with asyncio.TaskGroup() as tasks:
                announcing = tasks.create_task(announce())
                running = tasks.create_task(supervisor.run())
                tasks.create_task(drain())
            log.info("gateway.stopped")


@asynccontextmanager
async def _answering_for_all(
    supervisor: Supervisor, listening: Listening, stopping: asyncio.Event
) -> AsyncIterator[dict[str, str]]:
    """The admin server (and the probe's) of all workers; yields where they listen."""

    async def connections(request: web.Request) -> web.Response:
        answers = await supervisor.ask("connections")
        return web.json_response(
            [entry | {"worker": number} for number, entries in answers.items() for entry in entries]
        )

    async def renew(request: web.Request) -> web.Response:
        await supervisor.ask("renew")
        return web.Response(status=202, text="renewing\n")

    local = {
        ("GET", "/connections"): connections,
        ("POST", "/drain"): accepting(stopping.set, "draining"),
        ("POST", "/renew"): renew,
    }
    async with contextlib.AsyncExitStack() as stack:
        admin = AdminServer(listening.admin, supervisor, supervisor.metrics, local=local)
        await stack.enter_async_context(admin)
        bound = {"admin": str(admin.address)}
        if listening.probe is not None:
            probe = await stack.enter_async_context(AdminServer(listening.probe, supervisor, None))
            bound["probe"] = str(probe.address)
        yield bound


@asynccontextmanager
async def inbound_worker(
    inherited: Inherited,
    settings: InboundSettings,
    certificates: CertificateSource,
    routes: Current[RouteTable],
    metrics: DataPathMetrics,
    inquiries: Inquiries,
) -> AsyncIterator[Callable[[], None]]:
    """
    One of several gateways; it serves and drains as `inbound_server` does, and its supervisor answers for it.

    It takes connections only from when the block calls the function that it gets: what it cannot serve yet,
    another worker can. The first one to do so opens the door.
    """
    share = Share(Counts(inherited.counts, inherited.workers), inherited.number)
    listener = socket.socket(fileno=inherited.listener)
    listener.setblocking(False)
    async with one_inbound(listener, settings, certificates, routes, metrics, share) as one:
        inquiries.running = one.inbound.running

        def announce() -> None:
            one.listener.start_accepting()
            log.debug("worker.serving")

        yield announce
        inquiries.readiness.draining()
        await one.drain(settings.drain)
