"""Asking a gateway again and again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from mirror.findings import REACHABLE
from mirror.http_probe import over_http
from mirror.link import ProbeSpec
from mirror.liveness import Liveness
from mirror.metrics import Metrics
from mirror.probing import ProbeFailed, keep_probing
from mirror.status import Finding, GatewayReport, NoGateway, Report
from process.address import Address

AT = Address("203.0.113.7", 4143)
SPEC = ProbeSpec(period=0.02, timeout=0.01, threshold=2)


class Told:
    """What was told, and a way to wait for it."""

    def __init__(self) -> None:
        self.beliefs: list[Liveness] = []
        self._news = asyncio.Event()

    def __call__(self, liveness: Liveness) -> None:
        self.beliefs.append(liveness)
        self._news.set()

    async def until(self, enough: Callable[[Liveness], bool]) -> Liveness:
        async with asyncio.timeout(60):
            while not (self.beliefs and enough(self.beliefs[-1])):
                self._news.clear()
                await self._news.wait()
        return self.beliefs[-1]


@asynccontextmanager
async def probing(answers: Callable[[], Awaitable[float]]) -> AsyncIterator[Told]:
    async def probe(address: Address, identity: str, *, timeout: float) -> float:
        assert (address, identity, timeout) == (AT, "gateway.test", SPEC.patience)
        return await answers()

    told = Told()
    running = asyncio.create_task(keep_probing(probe, AT, "gateway.test", SPEC, told=told, before=Liveness()))
    try:
        yield told
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_the_first_answer_is_a_verdict() -> None:
    async def answers() -> float:
        return 0.001

    async with probing(answers) as told:
        assert (await told.until(lambda found: found.alive is not None)).alive is True
        assert len(told.beliefs) == 1


async def test_refusals_are_counted_up_to_the_threshold() -> None:
    async def refused() -> float:
        raise ProbeFailed("connection refused")

    async with probing(refused) as told:
        assert (await told.until(lambda found: found.alive is False)).because == "connection refused"
        assert [found.alive for found in told.beliefs] == [None, False]


async def test_no_answer_in_time_is_a_failure() -> None:
    async def silence() -> float:
        await asyncio.Event().wait()
        return 0.0

    async with probing(silence) as told:
        assert "no answer within 0.01 s" in (await told.until(lambda found: found.alive is False)).because


def exposed(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()


def test_metrics_have_linkerds_names_and_go_with_the_link() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    answered = Liveness().answered(0.012)
    metrics.probed("east", str(AT), answered)
    metrics.probed(
        "east", str(AT), answered.failed("refused", threshold=3, why="untrusted")
    )  # D-24: counted below the threshold
    gateway = GatewayReport({AT: answered})
    metrics.reported("east", Report(1, remote=REACHABLE, gateway=gateway))
    metrics.wrote("east", "create", "Service")
    metrics.wrote("east", "update", "Endpoints")
    metrics.holds("local", link=1, service=7)
    metrics.holds("east", service=3)
    text = exposed(registry)
    for line in (
        (
            'gateway_probe_failures_total{address="203.0.113.7:4143",reason="untrusted",'
            'target_cluster_name="east"} 1.0'
        ),
        'service_mirror_endpoint_repairs{target_cluster_name="east"} 1.0',
        'service_cache_size{cluster="local"} 7.0',
        'service_cache_size{cluster="east"} 3.0',
        'link_cache_size{cluster="local"} 1.0',
        'gateway_alive{target_cluster_name="east"} 1.0',
        'gateway_enabled{target_cluster_name="east"} 1.0',
        'mirror_remote_reachable{target_cluster_name="east"} 1.0',
        'gateway_latency{target_cluster_name="east"} 12.0',
        'gateway_probe_latency_ms_bucket{le="10.0",target_cluster_name="east"} 0.0',
        'gateway_probe_latency_ms_bucket{le="20.0",target_cluster_name="east"} 1.0',
        'gateway_probe_latency_ms_bucket{le="50000.0",target_cluster_name="east"} 1.0',
        'gateway_probes{probe_successful="true",target_cluster_name="east"} 1.0',
        'gateway_probes{probe_successful="false",target_cluster_name="east"} 1.0',
    ):
        assert line in text
    metrics.reported("east", Report(1, remote=Finding(ok=None, reason="NoCredentials"), gateway=NoGateway()))
    assert 'mirror_remote_reachable{target_cluster_name="east"} 0.0' in exposed(registry)
    assert "gateway_alive{" not in exposed(registry)
    metrics.forget_address("east", str(AT))
    assert "203.0.113.7" not in exposed(registry)
    metrics.forget("east")
    assert "east" not in exposed(registry)  # D-25


@pytest.mark.parametrize("cluster", ["east", "north"])
def test_forgetting_what_was_never_known_does_nothing(cluster: str) -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.forget(cluster)
    metrics.forget_address(cluster, "203.0.113.7:4143")


async def test_a_gateway_of_linkerds_is_asked_over_http() -> None:
    answers = iter((200, 503))

    async def ready(request: web.Request) -> web.Response:
        return web.Response(status=next(answers))

    app = web.Application()
    app.router.add_get("/ready", ready)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        spec = ProbeSpec(path="/ready", port=runner.addresses[0][1])
        at = Address("127.0.0.1", 4143)
        assert 0 < await over_http(spec, at, "gateway.test", timeout=5) < 5
        with pytest.raises(ProbeFailed, match="answered 503") as failed:
            await over_http(spec, at, "gateway.test", timeout=5)
        assert failed.value.why == "http_status"
    finally:
        await runner.cleanup()
    with pytest.raises(ProbeFailed, match="127") as refused:
        await over_http(spec, at, "gateway.test", timeout=5)
    assert refused.value.why == "backend_unreachable"
