"""The admin server of a process: whether it lives, whether it is ready, and its metrics."""

import ipaddress
import os
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Protocol, Self

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from process.address import Address

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Ready(Protocol):
    """Whatever knows what keeps us from being ready."""

    @property
    def missing(self) -> tuple[str, ...]: ...


class Readiness:
    """Which of the things that must have happened before we serve have happened."""

    def __init__(self, *names: str) -> None:
        self._missing = set(names)
        self._draining = False
        self.changed: Callable[[], None] = lambda: None
        """Called after each change."""

    def reported(self, name: str) -> None:
        """*name* is as it should be."""
        self._missing.discard(name)
        self.changed()

    def withdrawn(self, name: str) -> None:
        """*name* is no longer as it should be."""
        self._missing.add(name)
        self.changed()

    def draining(self) -> None:
        """Not ready any more, for good: the process is about to end."""
        self._draining = True
        self.changed()

    @property
    def missing(self) -> tuple[str, ...]:
        """What keeps us from being ready, sorted; () if nothing does."""
        return tuple(sorted(self._missing | ({"draining"} if self._draining else set())))


class AdminServer:
    """
    `/metrics`, `/ready` and `/live` for whoever reaches *listen*; *local* for this machine.

    `/ready` answers 200 `ready` or 503 with what is missing. An async context manager; the
    server runs while the block does. Without a *registry* there is no `/metrics`: such a
    server may face the public (the gateway's probe port). Instead of a registry it takes a function that
    gathers one when it is asked for.
    """

    def __init__(
        self,
        listen: Address,
        readiness: Ready,
        registry: CollectorRegistry | Callable[[], Awaitable[CollectorRegistry]] | None,
        *,
        local: Mapping[tuple[str, str], Handler] | None = None,
    ) -> None:
        self.address = listen
        """Where it listens; the port as bound once the block is entered."""
        self._readiness = readiness
        self._registry = registry
        app = web.Application()
        app.router.add_get("/live", self._live)
        app.router.add_get("/ready", self._ready)
        if registry is not None:
            app.router.add_get("/metrics", self._metrics)
        for (method, path), handler in (local or {}).items():
            app.router.add_route(method, path, _for_loopback(handler))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.address.host or None, self.address.port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise OSError(f"cannot listen on {self.address}: {os.strerror(error.errno or 0)}") from error
        except BaseException:
            await self._runner.cleanup()
            raise
        self.address = Address(self.address.host, self._runner.addresses[0][1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _live(self, request: web.Request) -> web.Response:
        return web.Response(text="live\n")

    async def _ready(self, request: web.Request) -> web.Response:
        if missing := self._readiness.missing:
            return web.Response(status=503, text=f"not ready: {', '.join(missing)}\n")
        return web.Response(text="ready\n")

    async def _metrics(self, request: web.Request) -> web.Response:
        registry = self._registry
        assert registry is not None
        if not isinstance(registry, CollectorRegistry):
            registry = await registry()
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def accepting(act: Callable[[], None], word: str) -> Handler:
    """A handler that does *act* and answers 202 with *word*."""

    async def accept(request: web.Request) -> web.Response:
        act()
        return web.Response(status=202, text=f"{word}\n")

    return accept


def _for_loopback(handler: Handler) -> Handler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        if not _is_loopback(request.remote):
            raise web.HTTPForbidden(text="only for callers on this machine (kubectl exec, port-forward)\n")
        return await handler(request)

    return guarded


def _is_loopback(remote: str | None) -> bool:
    if remote is None:
        return False
    address = ipaddress.ip_address(remote)
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
