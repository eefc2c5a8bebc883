"""The tables of the data path, as they follow from what a cluster holds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from cli.cluster_source import OwnCluster, follow_routes, follow_targets
from cluster.kinds import ENDPOINT_SLICE, LINK, NODE, SERVICE
from gateway.metrics import DataPathMetrics
from gateway.routes import RouteTable, TargetTable
from tests.support.clusters import IDENTITY, Site, World, until, world

T = TypeVar("T", RouteTable, TargetTable)

Follow = Callable[[OwnCluster, Callable[[T], Awaitable[None]], DataPathMetrics], Awaitable[None]]


@pytest.fixture(name="at")
async def two_clusters() -> AsyncIterator[World]:
    async with world() as made:
        yield made


@pytest.fixture(name="told")
def what_is_logged() -> Iterator[list[Any]]:
    with capture_logs() as told:
        yield told


@asynccontextmanager
async def following(
    follow: Follow[T], site: Site, registry: CollectorRegistry | None = None, *, zone: str = ""
) -> AsyncIterator[list[T]]:
    """The tables that *follow* hands out, the newest last, for as long as the block lasts."""
    tables: list[T] = []

    async def took(table: T) -> None:
        tables.append(table)

    own = OwnCluster(site.access, "jackstay", "cluster.local", allow_loopback=True, zone=zone)
    metrics = DataPathMetrics(registry or CollectorRegistry(), "inbound")
    following = asyncio.ensure_future(follow(own, took, metrics))
    try:
        yield tables
    finally:
        following.cancel()
        await asyncio.wait([following])


async def newest(tables: list[T], wanted: Callable[[T], bool]) -> T:
    async def look() -> list[T]:
        return tables[-1:]

    return (await until(look, lambda found: bool(found) and wanted(found[0])))[0]


def backends(table: RouteTable) -> list[str]:
    return [backend.host for route in table.routes.values() for backend in route.backends]


async def test_a_mistake_in_a_link_takes_no_target_away(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring(), following(follow_targets, at.west) as tables:
        before = await newest(tables, lambda table: any(target.gateways for target in table.targets.values()))
        change = {"spec": {"gatewayIdentity": "no name!", "probeSpec": {"period": "often"}}}
        await at.west.api.patch(LINK, "jackstay", "east", change)
        await until(lambda: at.condition("Synced"), lambda found: found == ("False", "InvalidLink"))
        await at.east.service("later")
        assert (
            await newest(tables, lambda table: len(table.targets) == 2)
        ).targets.items() > before.targets.items()
        await at.west.api.patch(LINK, "jackstay", "east", {"spec": {"gatewayIdentity": IDENTITY}})
        async with following(follow_targets, at.west) as fresh:  # a proxy that begins while it is wrong
            assert await newest(fresh, lambda table: bool(table.targets)) == tables[-1]


async def test_what_is_exported_is_told_once_and_then_what_came_and_went(at: World, told: list[Any]) -> None:
    await at.east.service("web")
    async with following(follow_routes, at.east) as tables:
        await newest(tables, lambda table: len(table.routes) == 1)
        await at.east.service("podinfo")
        await newest(tables, lambda table: len(table.routes) == 2)
        await at.east.export("web", exported=False)
        await newest(tables, lambda table: len(table.routes) == 1)
    loaded = [line for line in told if line["event"] == "routes.loaded" and line["log_level"] == "info"]
    shown = [
        (line["count"], line["more"], line["fewer"], line.get("came"), line.get("gone")) for line in loaded
    ]
    assert [line for line in shown if any(line[1:3])] == [
        (1, 1, 0, ["web.test.svc.cluster.local:9898"], None),
        (2, 1, 0, ["podinfo.test.svc.cluster.local:9898"], None),
        (1, 0, 1, None, ["web.test.svc.cluster.local:9898"]),
    ]


@pytest.mark.parametrize("path", ["", "clusterIP"], ids=["where it listens", "its Service"])
async def test_the_api_server_is_no_backend(at: World, path: str) -> None:
    raw = await at.east.api.get(SERVICE, "default", "kubernetes")
    ip = raw["spec"][path] if path else urlsplit(at.east.access.server).hostname
    assert ip is not None
    async with following(follow_routes, at.east) as tables:
        await at.east.service()
        await at.east.pods("10.0.0.9", ip)
        await newest(tables, lambda table: backends(table) == ["10.0.0.9"])


async def test_a_node_is_no_backend_and_that_is_told_once(at: World, told: list[Any]) -> None:
    registry = CollectorRegistry()
    await at.east.service()
    await at.east.pods("10.0.0.9", "192.0.2.1")
    async with following(follow_routes, at.east, registry) as tables:
        await newest(tables, lambda table: backends(table) == ["10.0.0.9", "192.0.2.1"])
        await at.east.make(NODE, "node-1", None)
        addresses = [{"type": "InternalIP", "address": "192.0.2.1"}]
        await at.east.api.patch_status(NODE, None, "node-1", {"status": {"addresses": addresses}})
        table = await newest(tables, lambda table: backends(table) == ["10.0.0.9"])
        assert "192.0.2.1" in table.never
        assert "192.0.2.1" not in table.never_listed
        assert registry.get_sample_value("jackstay_refused_backends") == 1
        await at.east.pods("10.0.0.7", "192.0.2.1")
        await newest(tables, lambda table: backends(table) == ["10.0.0.7"])
        await at.east.api.delete(NODE, None, "node-1")
        await newest(tables, lambda table: backends(table) == ["10.0.0.7", "192.0.2.1"])
        assert registry.get_sample_value("jackstay_refused_backends") == 0
    lines = [line for line in told if line["event"].startswith("backends.")]
    assert [(line["event"], line["service"]) for line in lines] == [
        ("backends.refused", "test/podinfo"),
        ("backends.refused_no_more", "test/podinfo"),
    ]
    assert lines[0]["addresses"] == ["192.0.2.1"]


async def test_pods_that_are_meant_for_our_zone_come_first_and_else_those_in_it(at: World) -> None:
    def near(table: RouteTable) -> list[str]:
        return [one.host for route in table.routes.values() for one in route.near]

    await at.east.service()
    await at.east.pods("10.0.0.1", "10.0.0.2", "10.0.0.3")
    endpoints = (await at.east.api.get(ENDPOINT_SLICE, "test", "podinfo-0"))["endpoints"]
    for endpoint, in_zone, meant_for in zip(endpoints, ("a", "b", "b"), ("b", "a", "b"), strict=True):
        endpoint |= {"zone": in_zone, "hints": {"forZones": [{"name": meant_for}]}}
    async with following(follow_routes, at.east, zone="a") as tables:
        await at.east.api.patch(ENDPOINT_SLICE, "test", "podinfo-0", {"endpoints": endpoints})
        table = await newest(tables, lambda table: near(table) == ["10.0.0.2"])
        assert backends(table) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
        del endpoints[2]["hints"]
        await at.east.api.patch(ENDPOINT_SLICE, "test", "podinfo-0", {"endpoints": endpoints})
        await newest(tables, lambda table: near(table) == ["10.0.0.1"])


async def test_a_service_that_lets_nobody_in_by_mistake_is_told_of_once(at: World, told: list[Any]) -> None:
    async with following(follow_routes, at.east) as tables:
        await at.east.service("podinfo")
        wrong = {"metadata": {"annotations": {"jackstay.io/allow-identities": "web/test"}}}
        await at.east.api.patch(SERVICE, "test", "podinfo", wrong)
        await newest(tables, lambda table: [route.allow for route in table.routes.values()] == [()])
        await at.east.service("web")
        await newest(tables, lambda table: len(table.routes) == 2)
    (shut,) = [line for line in told if line["event"] == "export.shut"]
    assert shut["service"] == "test/podinfo"
    assert "web/test" in shut["because"]
