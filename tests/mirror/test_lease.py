"""Who writes: the choice, and the Lease on an API server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from cluster.client import Cluster
from cluster.errors import Conflict
from cluster.kinds import LEASE, NAMESPACE, Kind
from cluster.metadata import Raw
from mirror import holder
from mirror.lease import NAME, ORDINARY, Held, Leadership, choice, seen
from tests.support.clusters import until


@pytest.mark.parametrize(
    ("held", "now", "gone", "chosen"),
    [
        (Held("us", 15, "1", 0.0), 100.0, False, "renew"),
        (Held("them", 15, "1", 0.0), 14.9, False, "wait"),
        (Held("them", 15, "1", 0.0), 15.0, False, "take"),
        (Held("them", 15, "1", 0.0), 1.0, True, "take"),
        (Held("", 15, "1", 0.0), 0.0, False, "take"),
        (Held("them", 60, "1", 0.0), 59.0, False, "wait"),
    ],
)
def test_a_lease_is_taken_when_it_is_free_or_has_run_out(
    held: Held, now: float, gone: bool, chosen: str
) -> None:
    assert choice(held, "us", now, gone=gone) == chosen


def lease(version: str, holder: str = "them") -> Raw:
    return {
        "metadata": {"resourceVersion": version},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15},
    }


def test_time_runs_from_when_we_saw_it_change_whatever_their_clock_says() -> None:
    first = seen(lease("1"), None, 10.0)
    assert seen(lease("1"), first, 20.0).seen_at == 10.0
    assert seen(lease("2"), first, 20.0).seen_at == 20.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def leading(
    client: Cluster, us: str, clock: Clock, *, retry: float = 0.01, namespace: str = "jackstay"
) -> AsyncIterator[Leadership]:
    leadership = Leadership(client, namespace, changed=lambda: None, us=us, retry=retry, clock=clock)
    running = asyncio.create_task(leadership.run())
    try:
        yield leadership
    finally:
        running.cancel()
        await asyncio.wait([running])


@pytest.fixture(autouse=True)
async def namespace(client: Cluster) -> None:
    await client.create(
        NAMESPACE, {"metadata": {"name": "jackstay"}, "apiVersion": "v1", "kind": "Namespace"}
    )


async def held_by(client: Cluster) -> str:
    raw = await client.get(LEASE, "jackstay", NAME)
    return str(raw["spec"].get("holderIdentity", ""))


async def ours(leadership: Leadership) -> bool:
    return leadership.ours


async def test_one_holds_it_and_the_other_waits_until_it_is_given_back(client: Cluster) -> None:
    clock = Clock()
    async with leading(client, "second", clock) as second:
        async with leading(client, "first", clock) as first:
            await until(lambda: held_by_any(first, second), bool)
            assert first.ours != second.ours
        await until(lambda: ours(second), bool)
        assert await held_by(client) == "second"
    assert await held_by(client) == ""


async def held_by_any(*candidates: Leadership) -> bool:
    return any(candidate.ours for candidate in candidates)


async def test_whoever_could_not_renew_in_time_writes_no_more(client: Cluster) -> None:
    clock = Clock()
    async with leading(client, "first", clock, retry=1000.0) as first:
        await until(lambda: ours(first), bool)
        clock.now = 9.9
        assert first.ours
        clock.now = 10.0
        assert not first.ours


async def test_a_lease_that_is_never_renewed_is_taken_after_its_time(client: Cluster) -> None:
    body = {
        "apiVersion": LEASE.api_version,
        "kind": LEASE.kind,
        "metadata": {"name": NAME, "namespace": "jackstay"},
        "spec": {
            "holderIdentity": "gone",
            "leaseDurationSeconds": 15,
            "renewTime": "2099-01-01T00:00:00.000000Z",
        },
    }
    await client.create(LEASE, body)
    clock = Clock()
    async with leading(client, "us", clock) as us:
        await until(lambda: known(us), bool)
        assert not us.ours
        clock.now += 15.0
        await until(lambda: ours(us), bool)
        assert (await client.get(LEASE, "jackstay", NAME))["spec"]["leaseTransitions"] == 1


async def test_a_missing_namespace_is_told_once(client: Cluster) -> None:
    with capture_logs() as told:
        async with leading(client, "us", Clock(), namespace="nowhere") as us:
            await until(lambda: number_of(told, "lease.failed"), lambda count: count > 0)
            await client.create(
                NAMESPACE, {"metadata": {"name": "nowhere"}, "apiVersion": "v1", "kind": "Namespace"}
            )
            await until(lambda: ours(us), bool)
    (line,) = [line for line in told if line["event"] == "lease.failed"]
    assert "nowhere" in line["because"]


async def test_who_is_always_beaten_says_so(client: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = 0

    async def beaten(kind: Kind, body: Raw) -> Raw:
        nonlocal tries
        tries += 1
        raise Conflict("local: update leases: 409")

    with capture_logs() as told:
        async with leading(client, "us", Clock()) as us:
            await until(lambda: ours(us), bool)
            monkeypatch.setattr(client, "replace", beaten)
            await until(lambda: number_of(told, "lease.failed"), lambda count: count > 0)
            assert tries > ORDINARY


async def number_of(told: list[Any], event: str) -> int:
    return sum(line["event"] == event for line in told)


async def known(leadership: Leadership) -> bool:
    return leadership.known


def test_a_living_process_is_not_gone_and_one_that_has_ended_is() -> None:
    us = holder.ourselves()
    assert not holder.is_gone(us)
    host, kernel, pids, pid, began, nonce = us.rsplit("_", 5)
    assert holder.is_gone("_".join((host, kernel, pids, pid, str(int(began) + 1), nonce)))
    assert not holder.is_gone(f"{host}_otherkernel_{pids}_{pid}_1_{nonce}")


@pytest.mark.parametrize("name", ["", "pod-7d9f_3f0c", "a_b_c_d_e_f", "x_1_2_3_4_5"])
def test_of_other_names_nothing_is_known(name: str) -> None:
    assert not holder.is_gone(name)
