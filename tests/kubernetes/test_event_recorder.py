"""Events are written beside the work: by a small API server, and by a real one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from cluster.access import Access
from cluster.client import Cluster
from cluster.errors import Unreachable
from cluster.event_objects import Event, Involved
from cluster.event_recorder import EventMetrics, EventRecorder, Happening, event_name
from cluster.kinds import EVENT, SERVICE_ACCOUNT, Kind
from cluster.metadata import Raw
from process.backoff import Backoff
from tests.support.cluster import local_cluster
from tests.support.clusters import until

QUICK: dict[str, Any] = {"pause": 0.05, "backoff": Backoff(first=0.01, most=0.05)}


def refused(namespace: str, message: str = "why", name: str = "web", **more: Any) -> Happening:
    about = Involved.of(SERVICE_ACCOUNT, namespace, name, "1234")
    return Happening(about, "Refused", message, **{"warning": True, **more})


@asynccontextmanager
async def recording(
    cluster: Cluster, registry: CollectorRegistry | None = None, **settings: Any
) -> AsyncIterator[EventRecorder]:
    settings = {**QUICK, **settings}
    recorder = EventRecorder(
        cluster, "jackstay-test", EventMetrics(registry or CollectorRegistry()), **settings
    )
    running = asyncio.create_task(recorder.run())
    try:
        yield recorder
    finally:
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()  # it ends by nothing else


async def shown(cluster: Cluster, namespace: str, wanted: Callable[[list[Event]], bool]) -> list[Event]:
    """The Events of *namespace*, once they are as *wanted*."""

    async def listed() -> list[Event]:
        found = await cluster.list(EVENT, namespace=namespace)
        return sorted(map(Event.from_dict, found.items), key=lambda event: event.message)

    await until(listed, wanted)
    return await listed()


async def test_what_happened_is_an_event_of_its_object(cluster: Cluster, namespace: str) -> None:
    async with recording(cluster) as recorder:
        recorder.tell(refused(namespace))
        recorder.tell(refused(namespace, "another", name="x" * 250))
        another, one = await shown(cluster, namespace, lambda events: len(events) == 2)
    assert (one.reason, one.message, one.component) == ("Refused", "why", "jackstay-test")
    assert (one.count, one.warning, one.first) == (1, True, one.last)
    assert one.involved == Involved.of(SERVICE_ACCOUNT, namespace, "web", "1234")
    assert one.metadata.name.startswith("web.")
    assert len(another.metadata.name) < 253
    selected = await cluster.list(EVENT, namespace=namespace, field_selector="involvedObject.name=web")
    assert [item["message"] for item in selected.items] == ["why"]


async def test_what_happens_again_counts_up_one_event(cluster: Cluster, namespace: str) -> None:
    registry = CollectorRegistry()
    async with recording(cluster, registry, pause=0.2) as recorder:
        for number in range(50):
            recorder.tell(refused(namespace, f"try {number}"))
        await shown(cluster, namespace, lambda events: [event.count for event in events] == [50])
        for number in range(50, 70):
            recorder.tell(refused(namespace, f"try {number}"))
        recorder.tell(refused(namespace, "of another kind", kind="other"))
        other, one = await shown(
            cluster, namespace, lambda events: [event.count for event in events] == [1, 70]
        )
    assert (other.message, one.message) == ("of another kind", "try 69")
    # 71 happenings, and a create and a patch for the first, a create for the second.
    assert registry.get_sample_value("jackstay_events_written_total") == 3


async def test_one_event_is_written_seldom_and_others_meanwhile() -> None:
    now, registry = [100.0], CollectorRegistry()
    settings: dict[str, Any] = {"pause": 5.0, "clock": lambda: now[0]}
    async with (
        local_cluster() as local,
        Cluster(local.access) as cluster,
        recording(cluster, registry, **settings) as recorder,
    ):
        recorder.tell(refused("default", "one"))
        await shown(cluster, "default", lambda events: len(events) == 1)
        now[0] += 4.9
        recorder.tell(refused("default", "one again"))
        recorder.tell(refused("default", "two", name="api"))
        events = await shown(cluster, "default", lambda events: len(events) == 2)
        assert [(event.message, event.count) for event in events] == [("one", 1), ("two", 1)]
        now[0] += 0.1
        recorder.tell(refused("default", "one once more"))
        await shown(cluster, "default", lambda events: [event.count for event in events] == [3, 1])
    assert registry.get_sample_value("jackstay_events_written_total") == 3


async def test_one_event_is_enough_of_what_happens_once(cluster: Cluster, namespace: str) -> None:
    registry = CollectorRegistry()
    async with recording(cluster) as first, recording(cluster, registry) as second:
        first.tell(refused(namespace, "told by the first", once=True))
        first.tell(refused(namespace, "and told again", once=True))
        await shown(cluster, namespace, lambda events: len(events) == 1)
        second.tell(refused(namespace, "told by the second", once=True))
        second.tell(refused(namespace, "something else"))
        events = await shown(cluster, namespace, lambda events: len(events) == 2)
    assert [event.message for event in events] == ["something else", "told by the first"]
    assert registry.get_sample_value("jackstay_events_dropped_total", {"reason": "refused"}) == 0


async def test_an_event_that_the_cluster_has_forgotten_begins_anew(cluster: Cluster, namespace: str) -> None:
    async with recording(cluster) as recorder:
        for _ in range(3):
            recorder.tell(refused(namespace))
        (old,) = await shown(cluster, namespace, lambda events: [event.count for event in events] == [3])
        await cluster.delete(EVENT, namespace, old.metadata.name)
        recorder.tell(refused(namespace))
        (new,) = await shown(cluster, namespace, lambda events: [event.count for event in events] == [1])
    assert new.metadata.name != old.metadata.name


async def test_what_the_cluster_refuses_is_dropped_and_counted(cluster: Cluster, namespace: str) -> None:
    registry = CollectorRegistry()
    with capture_logs() as logs:
        async with recording(cluster, registry) as recorder:
            recorder.tell(refused("nowhere-at-all"))
            recorder.tell(refused(namespace))
            await shown(cluster, namespace, lambda events: len(events) == 1)
    assert registry.get_sample_value("jackstay_events_dropped_total", {"reason": "refused"}) == 1
    assert [line["event"] for line in logs] == ["event.refused"]


class Away(Cluster):
    """A cluster that cannot be reached while `away`."""

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self.away = True
        self.tried = asyncio.Event()

    async def create(self, kind: Kind, body: Raw) -> Raw:
        self.tried.set()
        if self.away:
            raise Unreachable("away")
        return await super().create(kind, body)


async def test_while_the_cluster_is_away_what_happens_waits_or_is_dropped() -> None:
    registry = CollectorRegistry()
    async with local_cluster() as local, Away(local.access) as cluster:
        with capture_logs() as logs:
            async with recording(cluster, registry, most_pending=3) as recorder:
                for number in range(300):
                    recorder.tell(refused("default", f"{number}", name=f"web-{number % 5}"))
                await cluster.tried.wait()
                cluster.away = False
                events = await shown(cluster, "default", lambda events: len(events) == 3)
    assert {event.involved.name: event.count for event in events} == {
        "web-0": 60,
        "web-1": 60,
        "web-2": 60,
    }
    assert registry.get_sample_value("jackstay_events_dropped_total", {"reason": "full"}) == 120
    assert [line["event"] for line in logs] == ["events.waiting"]  # said once


async def test_what_is_remembered_is_bounded() -> None:
    async with (
        local_cluster() as local,
        Cluster(local.access) as cluster,
        recording(cluster, most_known=4) as recorder,
    ):
        for number in range(10):
            recorder.tell(refused("default", name=f"web-{number}"))
        await until(lambda: _repr(recorder), lambda text: "0 pending, 4 known" in text)


async def _repr(recorder: EventRecorder) -> str:
    return repr(recorder)


def test_an_event_that_is_to_be_one_only_has_one_name() -> None:
    key = refused("test").key
    assert event_name(key, once=True) == event_name(key, once=True)
    assert event_name(key, once=False) != event_name(key, once=False)
    other = refused("test", kind="other").key
    assert event_name(key, once=True) != event_name(other, once=True)
