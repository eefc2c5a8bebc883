"""
What we rely on in an API server's watches, asked of the small one and of a real one alike.

As in `test_contract`: where they would differ, the small one is wrong.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from cluster.client import Cluster
from cluster.course import Pace
from cluster.kinds import SECRET, Kind
from cluster.metadata import Key
from cluster.watch import Informer
from process.backoff import Backoff
from tests.kubernetes.contract import Json, an, version_of


class Watching:
    """An informer on the contract's namespace, and a way to wait."""

    def __init__(self, cluster: Cluster, kind: Kind, namespace: str, selector: str = "") -> None:
        self._news = asyncio.Event()
        self.informer = Informer(
            cluster,
            kind,
            lambda raw: raw,
            namespace=namespace,
            label_selector=selector,
            changed=self._news.set,
            pace=Pace(settled=0.05, backoff=Backoff(0.01, 0.1)),
        )

    async def until(self, holds: Callable[[dict[Key, Json]], bool]) -> dict[Key, Json]:
        async with asyncio.timeout(60):
            while self.informer.snapshot is None or not holds(dict(self.informer.snapshot.items)):
                await self._news.wait()
                self._news.clear()
        return dict(self.informer.snapshot.items)


@asynccontextmanager
async def watching(
    cluster: Cluster, kind: Kind, namespace: str, selector: str = ""
) -> AsyncIterator[Watching]:
    it = Watching(cluster, kind, namespace, selector)
    task = asyncio.create_task(it.informer.run())
    try:
        yield it
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_an_informer_sees_every_change(cluster: Cluster, namespace: str) -> None:
    a, b = Key(namespace, "a"), Key(namespace, "b")
    await cluster.create(SECRET, an(SECRET, namespace, "a"))
    async with watching(cluster, SECRET, namespace) as it:
        await it.until(lambda items: set(items) == {a})
        await cluster.create(SECRET, an(SECRET, namespace, "b"))
        await it.until(lambda items: set(items) == {a, b})
        await cluster.patch(SECRET, namespace, "a", {"metadata": {"labels": {"x": "y"}}})
        await it.until(lambda items: items[a]["metadata"].get("labels") == {"x": "y"})
        await cluster.delete(SECRET, namespace, "a")
        await it.until(lambda items: set(items) == {b})
        snapshot = it.informer.snapshot
        assert snapshot is not None
        assert set(snapshot.deleted) == {a}
        assert (snapshot.listing, snapshot.unbroken, it.informer.failure) == (1, True, None)


async def test_what_no_longer_matches_leaves_the_watch(cluster: Cluster, namespace: str) -> None:
    a = Key(namespace, "a")
    await cluster.create(SECRET, an(SECRET, namespace, "a", labels={"exported": "true"}))
    async with watching(cluster, SECRET, namespace, "exported=true") as it:
        await it.until(lambda items: set(items) == {a})
        await cluster.patch(SECRET, namespace, "a", {"metadata": {"labels": {"exported": "false"}}})
        await it.until(lambda items: not items)
        await cluster.patch(SECRET, namespace, "a", {"metadata": {"labels": {"exported": "true"}}})
        await it.until(lambda items: set(items) == {a})
        assert it.informer.failure is None


async def test_a_watch_ends_when_it_was_asked_to_end(cluster: Cluster, namespace: str) -> None:
    listing = await cluster.list(SECRET, namespace=namespace)
    async with asyncio.timeout(60):
        async with cluster.watch(
            SECRET,
            namespace=namespace,
            resource_version=listing.resource_version,
            seconds=1,
            silence=10,
        ) as chunks:
            assert b"ERROR" not in b"".join([chunk async for chunk in chunks])


async def test_a_watch_from_an_old_version_tells_what_has_been_since(
    cluster: Cluster, namespace: str
) -> None:
    listing = await cluster.list(SECRET, namespace=namespace)
    await cluster.create(SECRET, an(SECRET, namespace, "a"))
    await cluster.patch(SECRET, namespace, "a", {"metadata": {"labels": {"x": "y"}}})
    await cluster.delete(SECRET, namespace, "a")
    said = b""
    async with asyncio.timeout(60):
        async with cluster.watch(
            SECRET, namespace=namespace, resource_version=listing.resource_version, seconds=1, silence=10
        ) as chunks:
            said = b"".join([chunk async for chunk in chunks])
    events = [json.loads(line) for line in said.splitlines()]
    told = [event for event in events if event["type"] != "BOOKMARK"]
    assert [event["type"] for event in told] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(version_of(event["object"])) for event in events]
    assert versions == sorted(versions)
    assert versions[0] > int(listing.resource_version)
