import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cluster.local import LocalCluster
from cluster.local.watches import INITIAL_EVENTS_END
from tests.support.cluster import local_cluster
from tests.support.http_api import TABLE, HttpApi

MAPS = "/api/v1/namespaces/default/configmaps"
MERGE = {"Content_Type": "application/merge-patch+json"}

Events = AsyncIterator[dict[str, Any]]


async def take(events: Events, count: int) -> list[tuple[str, str]]:
    """The types and names of the next *count* events."""
    async with asyncio.timeout(60):
        found = [await anext(events) for _ in range(count)]
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in found]


async def make(api: HttpApi, name: str, **labels: str) -> str:
    """Create a ConfigMap; its version."""
    answer = await api.ask("POST", MAPS, {"metadata": {"name": name, "labels": labels}})
    assert answer.status == 201
    version: str = answer.body["metadata"]["resourceVersion"]
    return version


async def version(api: HttpApi) -> str:
    found: str = (await api.ask("GET", MAPS)).body["metadata"]["resourceVersion"]
    return found


async def test_what_happens_after_a_version_is_told(api: HttpApi) -> None:
    await make(api, "before")
    start = await version(api)
    await make(api, "a")
    async with api.watch(f"{MAPS}?watch=1&resourceVersion={start}") as events:
        assert await take(events, 1) == [("ADDED", "a")]
        await api.ask("PATCH", f"{MAPS}/a", {"data": {"x": "1"}}, **MERGE)
        await api.ask("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "other-kind"}})
        await api.ask("DELETE", f"{MAPS}/a")
        assert await take(events, 2) == [("MODIFIED", "a"), ("DELETED", "a")]


async def test_a_deleted_object_is_told_with_the_version_of_its_end(api: HttpApi) -> None:
    made = await make(api, "a")
    async with api.watch(f"{MAPS}?watch=1&resourceVersion={made}") as events:
        await api.ask("DELETE", f"{MAPS}/a")
        async with asyncio.timeout(60):
            event = await anext(events)
    assert int(event["object"]["metadata"]["resourceVersion"]) > int(made)
    assert event["object"]["metadata"]["resourceVersion"] == await version(api)


@pytest.mark.parametrize("start", ["", "&resourceVersion=0"])
async def test_without_a_version_what_is_there_is_told_first(api: HttpApi, start: str) -> None:
    await make(api, "b")
    await make(api, "a")
    async with api.watch(f"{MAPS}?watch=1{start}") as events:
        assert await take(events, 2) == [("ADDED", "a"), ("ADDED", "b")]
        await make(api, "c")
        assert await take(events, 1) == [("ADDED", "c")]


async def test_the_end_of_what_is_there_is_marked_for_who_asks(api: HttpApi) -> None:
    await make(api, "a")
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    async with api.watch(f"{MAPS}?watch=1&{query}") as events:
        assert await take(events, 1) == [("ADDED", "a")]
        async with asyncio.timeout(60):
            bookmark = await anext(events)
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["metadata"]["annotations"] == {INITIAL_EVENTS_END: "true"}
    assert bookmark["object"]["metadata"]["resourceVersion"] == await version(api)


async def test_an_object_comes_and_goes_by_its_labels(api: HttpApi) -> None:
    start = await version(api)
    async with api.watch(f"{MAPS}?watch=1&resourceVersion={start}&labelSelector=app%3Dweb") as events:
        await make(api, "a")
        for label in ("web", "db", "web"):
            await api.ask("PATCH", f"{MAPS}/a", {"metadata": {"labels": {"app": label}}}, **MERGE)
        assert await take(events, 3) == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a")]


async def test_one_object_is_watched_by_its_name(api: HttpApi) -> None:
    start = await version(api)
    query = f"watch=1&resourceVersion={start}&fieldSelector=metadata.name%3Db"
    async with api.watch(f"/api/v1/configmaps?{query}") as events:
        await make(api, "a")
        await make(api, "b")
        assert await take(events, 1) == [("ADDED", "b")]


async def test_a_watch_ends_in_time_with_a_bookmark(api: HttpApi) -> None:
    start = await version(api)
    query = f"watch=1&resourceVersion={start}&timeoutSeconds=1&allowWatchBookmarks=true"
    async with asyncio.timeout(60), api.watch(f"{MAPS}?{query}") as events:
        assert [event["type"] async for event in events] == ["BOOKMARK"]


async def test_bookmarks_carry_the_version_of_other_kinds_too() -> None:
    async with local_cluster(bookmark_every=0.05) as cluster, HttpApi(cluster) as api:
        start = await version(api)
        async with api.watch(f"{MAPS}?watch=1&resourceVersion={start}&allowWatchBookmarks=1") as events:
            made = await api.ask("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}})
            wanted = made.body["metadata"]["resourceVersion"]
            async with asyncio.timeout(60):
                async for event in events:
                    assert event["type"] == "BOOKMARK"
                    if event["object"]["metadata"]["resourceVersion"] == wanted:
                        break


async def test_a_version_that_is_no_longer_kept_is_gone() -> None:
    async with local_cluster(history=2) as cluster, HttpApi(cluster) as api:
        start = await version(api)
        for name in "abc":
            await make(api, name)
        for old in (start, "1", "99999"):
            async with asyncio.timeout(60), api.watch(f"{MAPS}?watch=1&resourceVersion={old}") as events:
                found = [event async for event in events]
            assert [event["type"] for event in found] == ["ERROR"]
            assert found[0]["object"]["code"] == 410
            assert found[0]["object"]["reason"] == "Expired"


async def test_events_may_be_tables(api: HttpApi) -> None:
    async with api.watch(f"{MAPS}?watch=1", Accept=TABLE) as events:
        await make(api, "a")
        async with asyncio.timeout(60):
            event = await anext(events)
    assert (event["type"], event["object"]["kind"]) == ("ADDED", "Table")
    assert event["object"]["rows"][0]["cells"][0] == "a"


async def test_the_end_of_the_server_ends_watches_at_once() -> None:
    async with local_cluster() as cluster:
        api = HttpApi(cluster)
        async with api, api.watch(f"{MAPS}?watch=1") as events:
            await make(api, "a")
            assert await take(events, 1) == [("ADDED", "a")]
            began = time.monotonic()
            await cluster.__aexit__(None, None, None)
            assert [event async for event in events] == []
            assert time.monotonic() - began < 5


async def test_a_thousand_services_with_three_watchers(cluster: LocalCluster, api: HttpApi) -> None:
    services = "/api/v1/namespaces/default/services"
    start = await version(api)

    async def watch() -> list[str]:
        async with api.watch(f"{services}?watch=1&resourceVersion={start}") as events:
            return [(await anext(events))["object"]["metadata"]["name"] for _ in range(1000)]

    wanted = [f"s{number:04}" for number in range(1000)]
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        watchers = [tasks.create_task(watch()) for _ in range(3)]
        for name in wanted:
            body = {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}}
            assert (await api.ask("POST", services, body)).status == 201
    assert all(watcher.result() == wanted for watcher in watchers)
    listed = (await api.ask("GET", services)).body["items"]
    assert len({item["spec"]["clusterIP"] for item in listed}) == 1001
