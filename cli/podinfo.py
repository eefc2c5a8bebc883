"""
`jackstay podinfo`: the HTTP service that the demo exports, after the well-known one of that name.

It exists to show where an answer came from and whether bytes survive the way: besides
its greeting it sends and sums up bodies of any size in bounded memory.
"""

import asyncio
import hashlib
import json
import platform
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Annotated

import structlog
import typer
from aiohttp import web

from cli.options import Listen, LogFormat, LogLevel
from process.address import Address
from process.run import Stopping, run
from process.version import VERSION

log = structlog.get_logger()

CHUNK = 256 * 1024
LONGEST_DELAY = 60.0
"""Seconds; both of an answer that is asked to be late and of a body that stops coming."""

_PATTERN = hashlib.shake_256(b"jackstay podinfo").digest(CHUNK - 8)


@dataclass(frozen=True, slots=True)
class Greeting:
    """What `/` says about who answers."""

    hostname: str
    version: str
    color: str
    message: str


def chunks(total: int) -> Iterator[bytes]:
    """*total* bytes, always the same; each chunk bears its number, so that none is lost or swapped unseen."""
    for number in range(-(-total // CHUNK)):
        yield (number.to_bytes(8, "big") + _PATTERN)[: total - number * CHUNK]


def application(greeting: Greeting) -> web.Application:
    """The service, not yet listening."""
    app = web.Application()

    async def greet(request: web.Request) -> web.Response:
        return _json(asdict(greeting))

    async def well(request: web.Request) -> web.Response:
        return _json({"status": "OK"})

    app.add_routes(
        [
            web.get("/", greet),
            web.get("/healthz", well),
            web.get("/readyz", well),
            web.get(r"/bytes/{count:\d{1,13}}", _send),
            web.get(r"/delay/{seconds:\d{1,6}(\.\d{1,6})?}", _delay),
            web.post("/sum", _sum),
            web.put("/sum", _sum),
        ]
    )
    return app


def _json(value: object) -> web.Response:
    """*value* for people with curl as much as for programs."""
    text = json.dumps(value, indent=2) + "\n"
    return web.Response(text=text, content_type="application/json", headers={"Cache-Control": "no-store"})


async def _send(request: web.Request) -> web.StreamResponse:
    count = int(request.match_info["count"])
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    response.content_length = count
    await response.prepare(request)
    if request.method != "HEAD":
        for chunk in chunks(count):
            await response.write(chunk)
    return response


async def _sum(request: web.Request) -> web.Response:
    digest, count = hashlib.sha256(), 0
    try:
        while True:
            async with asyncio.timeout(LONGEST_DELAY):
                data = await request.content.readany()
            if not data:
                return _json({"bytes": count, "sha256": digest.hexdigest()})
            digest.update(data)
            count += len(data)
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"the body stopped after {count} bytes\n") from None


async def _delay(request: web.Request) -> web.Response:
    seconds = min(float(request.match_info["seconds"]), LONGEST_DELAY)
    await asyncio.sleep(seconds)
    return _json({"delay": seconds})


class _HalfClosing(web.RequestHandler):
    """aiohttp hangs up on a client that has said all it will say; this answers it first."""

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio: true keeps our direction open
        waiting = self._waiter is not None and not self._waiter.done()
        if waiting or self._request_count == 0:
            return False  # nothing was asked, or all is answered: hang up
        self.close()  # once the answer is out
        return True


@asynccontextmanager
async def serving(greeting: Greeting, listen: Address) -> AsyncIterator[Address]:
    """The service, listening while the block runs; yields the address as bound."""
    runner = web.AppRunner(application(greeting), shutdown_timeout=2.0)
    await runner.setup()
    loop, manager = asyncio.get_running_loop(), runner.server
    assert manager is not None
    try:
        server = await loop.create_server(
            lambda: _HalfClosing(manager, loop=loop),
            listen.host or None,
            listen.port,
            backlog=1024,
        )
        try:
            yield Address(listen.host, server.sockets[0].getsockname()[1])
        finally:
            server.close()
    finally:
        await runner.cleanup()


def command(
    *,
    listen: Listen,
    cluster: Annotated[str, typer.Option(metavar="NAME", help="The cluster in the greeting.")] = "here",
    message: Annotated[str, typer.Option(help='Instead of "greetings from CLUSTER".')] = "",
    color: Annotated[str, typer.Option(help="A colour, as CSS writes it.")] = "#34577c",
    hostname: Annotated[str, typer.Option(metavar="NAME", help="The pod's name.")] = platform.node(),
    version: Annotated[str, typer.Option(help="The version it says it has.")] = VERSION,
    log_format: LogFormat = "auto",
    log_level: LogLevel = "info",
) -> None:
    """
    Serve the demo's HTTP service.

    Paths: / (who answers), /bytes/N, POST /sum, /delay/SECONDS (at most 60), /healthz, /readyz

    Example:  jackstay podinfo --listen 127.0.0.1:9898 --cluster east
    """
    greeting = Greeting(hostname, version, color, message or f"greetings from {cluster}")

    async def main(stopping: Stopping) -> int:
        async with serving(greeting, listen) as address:
            log.info("podinfo.ready", listen=str(address))
            await stopping.wait()
        return 0

    raise typer.Exit(run(main, log_format=log_format, log_level=log_level))
