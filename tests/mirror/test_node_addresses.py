"""Where nodes are, as an API server tells it, or refuses to."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from cluster.client import Cluster
from cluster.watch import Pace
from mirror.node_addresses import NodeAddresses
from process.backoff import Backoff
from tests.support.scripted_api import Hold, Json, ScriptedApi, deleted, modified

QUICK = Pace(settled=0.0, backoff=Backoff(first=0.001, most=0.002))


@pytest.fixture(name="api")
async def scripted() -> AsyncIterator[ScriptedApi]:
    async with ScriptedApi() as api:
        yield api


@pytest.fixture(name="told")
def what_is_logged() -> Iterator[list[Any]]:
    with capture_logs() as told:
        yield told


def node(name: str, version: str, *addresses: str, **more: Any) -> Json:
    found = [{"type": "InternalIP", "address": address} for address in addresses]
    metadata = {"name": name, "resourceVersion": version}
    return {"metadata": metadata, "status": {"addresses": found, **more}}


class Followed:
    """What a gateway sees, one after the other."""

    def __init__(self, cluster: Cluster) -> None:
        self._seen: asyncio.Queue[frozenset[str] | None] = asyncio.Queue()
        self.nodes = NodeAddresses(
            cluster, changed=lambda: self._seen.put_nowait(self.nodes.known), pace=QUICK
        )

    async def next(self) -> set[str]:
        async with asyncio.timeout(60):
            return set(await self._seen.get() or ())


@asynccontextmanager
async def followed(api: ScriptedApi) -> AsyncIterator[Followed]:
    async with Cluster(api.access) as cluster:
        followed = Followed(cluster)
        running = asyncio.create_task(followed.nodes.run())
        try:
            yield followed
        finally:
            running.cancel()
            await asyncio.wait([running])


async def test_they_are_followed_and_reports_that_move_nobody_change_nothing(api: ScriptedApi) -> None:
    api.lists(node("a", "1", "192.0.2.1"), node("b", "2", "192.0.2.2"), version="5")
    report = modified(node("a", "6", "192.0.2.1", images=[]))
    api.watches(report, modified(node("a", "7", "192.0.2.9")), Hold())
    async with followed(api) as nodes:
        assert await nodes.next() == {"192.0.2.1", "192.0.2.2"}
        assert await nodes.next() == {"192.0.2.9", "192.0.2.2"}


async def test_one_that_is_gone_forbids_nothing(api: ScriptedApi) -> None:
    api.lists(node("a", "1", "192.0.2.1"), node("b", "2", "192.0.2.2"), version="5")
    api.watches(deleted(node("a", "6", "192.0.2.1")), Hold())
    async with followed(api) as nodes:
        assert await nodes.next() == {"192.0.2.1", "192.0.2.2"}
        assert await nodes.next() == {"192.0.2.2"}


async def test_without_the_right_nothing_is_a_nodes_and_an_error_says_so_once(
    api: ScriptedApi, told: list[Any]
) -> None:
    for _ in range(3):
        api.list_fails(403, reason="Forbidden", message="nodes is forbidden")
    api.lists(node("a", "1", "192.0.2.1"), version="5")
    async with followed(api) as nodes:
        assert await nodes.next() == set()
        assert await nodes.next() == {"192.0.2.1"}  # somebody has given it
    (error,) = [line for line in told if line["log_level"] == "error"]
    assert error["event"] == "nodes.unknown"
    assert "nodes is forbidden" in error["because"]
    assert "jackstay install" in error["hint"]
    assert [line["event"] for line in told if line["event"].startswith("nodes.")] == [
        "nodes.unknown",
        "nodes.known",
    ]


async def test_a_server_that_fails_in_another_way_has_not_said_that_there_are_none(
    api: ScriptedApi, told: list[Any]
) -> None:
    api.list_fails(500, message="no")
    api.lists(node("a", "1", "192.0.2.1"), version="5")
    async with followed(api) as nodes:
        assert await nodes.next() == {"192.0.2.1"}
    assert "nodes.unknown" not in [line["event"] for line in told]


async def test_what_was_known_stays_when_the_right_is_taken_away(api: ScriptedApi, told: list[Any]) -> None:
    api.lists(node("a", "1", "192.0.2.1"), version="5")
    api.watch_fails(403, reason="Forbidden", message="nodes is forbidden")
    async with followed(api) as nodes:
        assert await nodes.next() == {"192.0.2.1"}
        await api.until(2, watch=True)
        assert nodes.nodes.known == frozenset({"192.0.2.1"})
    assert "nodes.unknown" in [line["event"] for line in told]
