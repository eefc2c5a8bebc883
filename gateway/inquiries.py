"""
What an end of the data path answers about itself: from before it serves until it has ended.

A process that has no certificate yet is alive and not ready, and says so. Where it is one of several, its
supervisor asks and it answers the supervisor; otherwise whoever reaches the admin port asks.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from gateway.journal import Entry
from process import sums
from process.address import Address
from process.admin import AdminServer, Readiness, accepting
from process.control import Answering

log = structlog.get_logger()


@dataclass(slots=True)
class Inquiries:
    """What there is to be told, and what others may ask for."""

    readiness: Readiness
    registry: CollectorRegistry
    stopping: asyncio.Event
    """Set by whoever asks us to drain."""

    renew: Callable[[], None]
    """Called when somebody wants us to look for a newer certificate."""

    running: Iterable[Entry] = ()
    """The connections that there are, once somebody serves any."""

    bound: dict[str, str] = field(default_factory=dict)
    """Where they are answered, for the line in the log that says that we are ready."""

    def connections(self) -> list[dict[str, Any]]:
        return [entry.as_dict() for entry in self.running]


@asynccontextmanager
async def over_http(
    inquiries: Inquiries, admin: Address, probe: Address | None = None
) -> AsyncIterator[None]:
    """
    Answer at *admin*, and whether we are ready also at *probe*, while the block runs.

    Raises OSError, with a sentence, where there is no listening.
    """

    async def connections(request: web.Request) -> web.Response:
        return web.json_response(inquiries.connections())

    local = {
        ("GET", "/connections"): connections,
        ("POST", "/drain"): accepting(inquiries.stopping.set, "draining"),
        ("POST", "/renew"): accepting(inquiries.renew, "renewing"),
    }
    async with AsyncExitStack() as stack:
        server = AdminServer(admin, inquiries.readiness, inquiries.registry, local=local)
        await stack.enter_async_context(server)
        inquiries.bound["admin"] = str(server.address)
        if probe is not None:
            public = await stack.enter_async_context(AdminServer(probe, inquiries.readiness, None))
            inquiries.bound["probe"] = str(public.address)
        yield


@asynccontextmanager
async def from_supervisor(inquiries: Inquiries, control: int) -> AsyncIterator[None]:
    """
    Answer what comes over the descriptor *control*, while the block runs.

    When the supervisor is gone we drain.
    """
    channel = await Answering.over(socket.socket(fileno=control))
    answers: dict[str, Callable[[], Any]] = {
        "alive": lambda: True,
        "metrics": lambda: [family.as_json() for family in sums.read(inquiries.registry)],
        "connections": inquiries.connections,
        "drain": inquiries.stopping.set,
        "renew": inquiries.renew,
    }

    async def answer() -> None:
        await channel.answer(answers)
        if not inquiries.stopping.is_set():
            log.warning("worker.orphaned")
        inquiries.stopping.set()

    def tell() -> None:
        channel.tell({"missing": inquiries.readiness.missing})

    async with asyncio.TaskGroup() as tasks:
        inquiries.readiness.changed = tell
        tell()
        answering = tasks.create_task(answer())
        yield
        answering.cancel()
