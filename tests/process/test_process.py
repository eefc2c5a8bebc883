"""What every process has: an admin server, logs, and an end when it is asked to."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter

from process.address import Address
from process.admin import AdminServer, Readiness

PROGRAM = """
import asyncio, structlog
from process.run import run

async def main(stopping):
    log = structlog.get_logger()
    log.info("program.ready", port=1)
    await stopping.wait()
    log.warning("program.stopping", error=ValueError("x"))
    {after}
    return 3

raise SystemExit(run(main, log_format="json"))
"""


async def start(after: str, *before: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(*before, sys.executable, "-c", PROGRAM.format(after=after)),
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stderr is not None
    first = json.loads(await process.stderr.readline())
    assert list(first) == ["timestamp", "level", "event", "port"]
    assert (first["level"], first["event"], first["port"]) == ("info", "program.ready", 1)
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_asks_and_the_process_ends_in_its_own_time(number: signal.Signals) -> None:
    async with asyncio.timeout(60):
        # Whoever runs the tests under nohup hands "SIGHUP is ignored" down to all their children.
        process = await start("pass", "env", "--default-signal=HUP")
        process.send_signal(number)
        assert await process.wait() == 3


async def test_nohup_is_honoured() -> None:
    async with asyncio.timeout(60):
        process = await start("pass", "nohup")
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 3


async def test_a_second_signal_ends_it_at_once() -> None:
    async with asyncio.timeout(60):
        process = await start("await asyncio.Event().wait()")
        assert process.stderr is not None
        process.send_signal(signal.SIGTERM)
        assert json.loads(await process.stderr.readline())["event"] == "program.stopping"
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130


async def test_the_admin_server_says_what_is_missing() -> None:
    registry, readiness = CollectorRegistry(), Readiness("certificate", "routes")
    Counter("things", "Things.", registry=registry).inc()

    async def secret(request: web.Request) -> web.Response:
        return web.Response(text="for this machine")

    local = {("GET", "/connections"): secret}
    async with (
        AdminServer(Address("127.0.0.1", 0), readiness, registry, local=local) as server,
        aiohttp.ClientSession(f"http://{server.address}") as session,
    ):

        async def get(path: str) -> tuple[int, str]:
            async with session.get(path) as answer:
                return answer.status, await answer.text()

        assert await get("/live") == (200, "live\n")
        assert await get("/ready") == (503, "not ready: certificate, routes\n")
        readiness.reported("routes")
        assert await get("/ready") == (503, "not ready: certificate\n")
        readiness.reported("certificate")
        assert await get("/ready") == (200, "ready\n")
        readiness.withdrawn("routes")
        assert await get("/ready") == (503, "not ready: routes\n")
        readiness.reported("routes")
        readiness.draining()
        assert await get("/ready") == (503, "not ready: draining\n")
        assert "things_total 1.0" in (await get("/metrics"))[1]
        assert await get("/connections") == (200, "for this machine")
        assert (await get("/elsewhere"))[0] == 404


async def test_a_probe_port_shows_no_metrics() -> None:
    async with (
        AdminServer(Address("127.0.0.1", 0), Readiness(), None) as server,
        aiohttp.ClientSession(f"http://{server.address}") as session,
        session.get("/metrics") as answer,
    ):
        assert answer.status == 404
