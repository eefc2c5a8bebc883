import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from cluster.client import Cluster, Listing
from cluster.course import Pace
from cluster.errors import BrokenAnswer, ServerFault, Unauthorized, Unreachable
from cluster.kinds import SERVICE, Kind
from cluster.metadata import Key
from cluster.objects import Service
from cluster.watch import Informer
from process.backoff import Backoff
from tests.support.scripted_api import (
    Cut,
    Hold,
    ScriptedApi,
    added,
    bookmark,
    deleted,
    failed,
    modified,
    service,
)

QUICK = Pace(settled=0.05, backoff=Backoff(first=0.01, most=0.05))
A, B = Key("test", "a"), Key("test", "b")


class Followed:
    """An informer at work, and a way to wait for what it knows."""

    def __init__(self, cluster: Cluster, pace: Pace) -> None:
        self._news = asyncio.Event()
        self.informer = Informer(
            cluster, SERVICE, Service.from_dict, changed=self._news.set, pace=pace, identified=True
        )

    async def until(self, holds: Callable[[Informer[Service]], bool]) -> Informer[Service]:
        async with asyncio.timeout(60):
            while not holds(self.informer):
                await self._news.wait()
                self._news.clear()
        return self.informer

    async def until_keys(self, *keys: Key) -> Informer[Service]:
        return await self.until(lambda it: it.snapshot is not None and set(it.snapshot.items) == set(keys))

    @property
    def version(self) -> str:
        assert self.informer.snapshot is not None
        return self.informer.snapshot.version


@pytest.fixture
async def api() -> AsyncIterator[ScriptedApi]:
    async with ScriptedApi() as api:
        yield api


@asynccontextmanager
async def following(api: ScriptedApi, pace: Pace = QUICK) -> AsyncIterator[Followed]:
    async with Cluster(api.access) as cluster:
        followed = Followed(cluster, pace)
        task = asyncio.create_task(followed.informer.run())
        try:
            yield followed
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_a_listing_then_the_events_of_a_watch_from_its_version(api: ScriptedApi) -> None:
    api.lists(service("a", "3"), version="5")
    api.watches(added(service("b", "6")), modified(service("a", "7")), deleted(service("b", "8")), Hold())
    async with following(api) as followed:
        informer = await followed.until(lambda it: it.snapshot is not None and it.snapshot.version == "8")
        (watch,) = await api.until(1, watch=True)
    assert informer.snapshot is not None
    assert set(informer.snapshot.items) == {A}
    assert informer.snapshot.items[A].metadata.resource_version == "7"
    assert informer.snapshot.deleted == {B: "8"}
    assert informer.snapshot.unbroken
    assert informer.snapshot.cluster_uid == "uid-of-this-cluster"
    assert informer.snapshot.listed_version == "5"
    assert watch.query["resourceVersion"] == "5"
    assert watch.query["allowWatchBookmarks"] == "true"
    assert 240 <= int(watch.query["timeoutSeconds"]) <= 300


async def test_there_is_no_snapshot_before_the_last_page_of_the_first_listing(api: ScriptedApi) -> None:
    api.lists(service("a", "1"), version="5", following="more")
    api.list_fails(500)
    api.lists(service("a", "1"), version="6", following="more")
    api.lists(service("b", "2"), version="6")
    api.watches(Hold())
    async with following(api) as followed:
        informer = await followed.until(lambda it: it.failure is not None)
        assert informer.snapshot is None
        assert isinstance(informer.failure, ServerFault)
        informer = await followed.until_keys(A, B)
        assert informer.failure is None


async def test_a_watch_that_ends_well_goes_on_from_the_last_version(api: ScriptedApi) -> None:
    api.lists(version="5")
    api.watches(added(service("a", "6")), bookmark("9"))
    api.watches(added(service("b", "10")), Hold())
    async with following(api) as followed:
        informer = await followed.until_keys(A, B)
        watches = await api.until(2, watch=True)
    assert [watch.query["resourceVersion"] for watch in watches] == ["5", "9"]
    assert len(await api.until(1)) == 1
    assert informer.snapshot is not None
    assert informer.snapshot.unbroken
    assert informer.snapshot.listing == 1


BROKEN = [
    pytest.param((added(service("a", "6")), Cut()), Unreachable, id="reset"),
    pytest.param(
        (added(service("a", "6")), b'{"type": "MODIFIED", "obj'), BrokenAnswer, id="cut in an event"
    ),
    pytest.param((added(service("a", "6")), b"<html>\n"), BrokenAnswer, id="no JSON"),
    pytest.param((added(service("a", "6")), b"[" * 100_000 + b"\n"), BrokenAnswer, id="deep"),
    pytest.param((added(service("a", "6")), b'{"type": "ADDED"}\n'), BrokenAnswer, id="no object"),
    pytest.param(
        (added(service("a", "6")), {"type": "MOVED", "object": service("a", "7")}), BrokenAnswer, id="?"
    ),
    pytest.param((added(service("a", "6")), failed(500, "InternalError")), ServerFault, id="ERROR 500"),
]


@pytest.mark.parametrize(("told", "failure"), BROKEN)
async def test_a_broken_watch_goes_on_from_the_last_whole_event(
    api: ScriptedApi, told: tuple[object, ...], failure: type[Exception]
) -> None:
    api.lists(version="5")
    api.watches(*told)  # type: ignore[arg-type]  # parametrize widens it
    api.watches(added(service("b", "7")), Hold())
    async with following(api) as followed:
        informer = await followed.until(lambda it: it.failure is not None)
        assert isinstance(informer.failure, failure)
        broken = informer.snapshot
        assert broken is not None
        assert not broken.unbroken
        informer = await followed.until_keys(A, B)
        watches = await api.until(2, watch=True)
    assert watches[1].query["resourceVersion"] in ("5", "6")  # "5" where the reset overtook the event
    assert informer.failure is None
    assert informer.snapshot is not None
    assert informer.snapshot.unbroken
    assert len(await api.until(1)) == 1


@pytest.mark.parametrize("how", ["event", "status", "disorder"])
async def test_a_version_that_is_no_longer_kept_leads_to_a_new_listing(api: ScriptedApi, how: str) -> None:
    api.lists(service("a", "1"), service("b", "2"), version="5")
    match how:
        case "event":
            api.watches(failed(410, "Expired"))
        case "status":
            api.watch_fails(410, reason="Gone")
        case _:
            api.watches(modified(service("a", "4")))
    api.lists(service("a", "1"), version="20")
    api.watches(Hold())
    async with following(api) as followed:
        await followed.until_keys(A, B)
        informer = await followed.until_keys(A)
        watches = await api.until(2, watch=True)
    assert watches[1].query["resourceVersion"] == "20"
    assert informer.snapshot is not None
    assert informer.snapshot.listing == 2
    assert informer.snapshot.deleted == {}


async def test_a_full_listing_comes_in_time_and_finds_what_no_event_told(api: ScriptedApi) -> None:
    api.lists(service("a", "1"), service("b", "2"), version="5")
    api.watches()
    api.lists(service("a", "1"), version="6")
    api.watches(Hold())
    async with following(api, Pace(relist=0.0, settled=0.05, backoff=Backoff(0.01, 0.05))) as followed:
        await followed.until_keys(A, B)
        await followed.until_keys(A)
        (watch, *_) = await api.until(1, watch=True)
    assert watch.query["timeoutSeconds"] == "1"


async def test_a_listing_that_is_asked_for_ends_a_watch_and_is_made_once(api: ScriptedApi) -> None:
    api.lists(service("a", "1"), version="5")
    api.watches(Hold())
    api.lists(service("b", "2"), version="6")
    api.watches(added(service("a", "7")), Hold())
    async with following(api) as followed:
        informer = await followed.until_keys(A)
        await api.until(1, watch=True)
        moment = time.monotonic()
        informer.list_since(moment)
        informer.list_since(moment)
        await followed.until_keys(A, B)
        informer.list_since(moment)
        assert informer.failure is None
        assert len(await api.until(2)) == 2
        assert len(await api.until(2, watch=True)) == 2


async def test_a_listing_that_is_asked_for_ends_no_listing(
    api: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_all, running, go = Cluster.list, asyncio.Event(), asyncio.Event()

    async def slowly(self: Cluster, kind: Kind, **selected: Any) -> Listing:
        running.set()
        await go.wait()
        return await list_all(self, kind, **selected)

    monkeypatch.setattr(Cluster, "list", slowly)
    api.lists(service("a", "1"), version="5")
    api.lists(service("b", "2"), version="6")
    api.watches(Hold())
    async with following(api) as followed:
        await running.wait()
        followed.informer.list_since(time.monotonic())
        go.set()
        await followed.until_keys(A)
        informer = await followed.until_keys(B)
        assert informer.snapshot is not None
        assert informer.snapshot.listing == 2


async def test_an_empty_body_does_not_loop_hot(api: ScriptedApi) -> None:
    api.lists(version="5")
    for _ in range(100):
        api.watches()
    pace = Pace(backoff=Backoff(first=0.05, most=10.0))
    async with following(api, pace):
        loop = asyncio.get_running_loop()
        began = loop.time()
        await api.until(4, watch=True)
        # Three pauses of at least half of 0.05, 0.1 and 0.2 seconds.
        assert loop.time() - began > 0.17


async def test_a_listing_that_always_expires_is_asked_for_ever_more_seldom(api: ScriptedApi) -> None:
    for _ in range(50):
        api.lists(version="5")
        api.watch_fails(410, reason="Expired")
    async with following(api, Pace(backoff=Backoff(first=0.05, most=10.0))):
        loop = asyncio.get_running_loop()
        began = loop.time()
        await api.until(4)
        assert loop.time() - began > 0.17


async def test_too_many_requests_are_not_answered_with_more(api: ScriptedApi) -> None:
    api.list_fails(429, reason="TooManyRequests", retry_after="1")
    api.lists(version="5")
    async with following(api):
        loop = asyncio.get_running_loop()
        began = loop.time()
        await api.until(2)
        assert loop.time() - began > 0.9


async def test_an_error_keeps_what_is_known(api: ScriptedApi) -> None:
    api.lists(service("a", "1"), version="5")
    for status in (403, 500, 503):
        api.watch_fails(status)
    for status in (401, 403, 409, 422, 429, 500, 503):
        api.list_fails(status, retry_after="0")
    async with following(api) as followed:
        await followed.until_keys(A)
        informer = await followed.until(lambda it: isinstance(it.failure, Unauthorized))
        await api.until(8)
    assert informer.snapshot is not None
    assert set(informer.snapshot.items) == {A}
    assert not informer.snapshot.unbroken


async def test_a_malformed_object_is_there_but_unread(api: ScriptedApi) -> None:
    bad = service("b", "2") | {"spec": {"ports": "eighty"}}
    api.lists(service("a", "1"), bad, version="5")
    api.watches(modified(service("b", "6")), Hold())
    async with following(api) as followed:
        informer = await followed.until_keys(A)
        assert informer.snapshot is not None
        assert informer.snapshot.unreadable == {B: "spec.ports is not a list"}
        informer = await followed.until_keys(A, B)
        assert informer.snapshot is not None
        assert informer.snapshot.unreadable == {}


async def test_a_silent_watch_counts_as_dead(api: ScriptedApi) -> None:
    api.lists(version="5")
    api.watches(bookmark("6"), Hold())
    api.watches(added(service("a", "7")), Hold())
    async with following(api, Pace(silence=0.1, settled=0.05, backoff=Backoff(0.01, 0.05))) as followed:
        informer = await followed.until(lambda it: it.failure is not None)
        assert isinstance(informer.failure, Unreachable)
        await followed.until_keys(A)


async def test_a_server_that_is_away_is_asked_again_soon_however_long_it_was(api: ScriptedApi) -> None:
    pace, tries = Pace(backoff=Backoff(0.01, 60.0), away=2), asyncio.Semaphore(0)
    async with Cluster(replace(api.access, server="https://127.0.0.1:1")) as cluster, asyncio.timeout(60):
        informer = Informer(cluster, SERVICE, Service.from_dict, changed=tries.release, pace=pace)
        with capture_logs() as told:
            asking = asyncio.create_task(informer.run())
            for _ in range(8):
                await tries.acquire()
            asking.cancel()
            await asyncio.wait([asking])
    assert {line["event"] for line in told} == {"informer.failed"}
    assert max(line["pause"] for line in told) <= 0.02


async def test_a_large_object_passes(api: ScriptedApi) -> None:
    big = service("a", "6")
    big["metadata"]["annotations"] = {"big": "x" * (3 << 20)}
    api.lists(version="5")
    api.watches(added(big), Hold())
    async with following(api) as followed:
        await followed.until_keys(A)


async def test_its_repr_says_how_it_stands(api: ScriptedApi) -> None:
    api.lists(service("a", "1"), version="5")
    async with following(api) as followed:
        assert repr(followed.informer) == "<Informer east services: nothing yet>"
        await followed.until_keys(A)
        assert repr(followed.informer) == "<Informer east services: 1>"
