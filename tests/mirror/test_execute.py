"""Carrying out a plan against an API server."""

from dataclasses import replace

import pytest

from cluster.client import Cluster
from cluster.errors import AlreadyExists, Conflict
from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, NAMESPACE, SERVICE
from cluster.metadata import Raw
from cluster.objects import EndpointSlice, Key, Service
from mirror import marks
from mirror.execute import Outcome, execute
from mirror.observed import GatewayAddress
from mirror.plan import Action, Delete, plan
from mirror.wanted import wanted
from tests.mirror.make import ALIVE, MIRROR, observed, remote, service

NAMES = ("a", "b", "c")
SEEN = observed(remote(*map(service, NAMES)))
CREATE = plan(SEEN, wanted(SEEN))


@pytest.fixture(autouse=True)
async def namespace(client: Cluster) -> None:
    await client.create(NAMESPACE, {"metadata": {"name": "test"}, "apiVersion": "v1", "kind": "Namespace"})


async def done(client: Cluster, actions: list[Action], writes: int = 1000) -> tuple[Outcome, list[str]]:
    """What came of it, and what was written, in order; no more than so many *writes* are allowed."""
    wrote: list[str] = []

    def note(action: Action, raw: Raw | None) -> None:
        wrote.append(f"{type(action).__name__} {action.kind.kind} {action.object.metadata.name}")

    outcome = await execute(actions, client, may_write=lambda: len(wrote) < writes, wrote=note, at_once=2)
    return outcome, wrote


async def test_mirrors_are_made_side_by_side_and_each_in_order(client: Cluster) -> None:
    outcome, wrote = await done(client, CREATE)
    assert outcome.done == {Key("test", f"{name}-east") for name in NAMES}
    assert outcome.failed == {}
    for name in NAMES:
        own = [line for line in wrote if f" {name}-east" in line]
        assert [line.split()[1] for line in own] == ["Service", "Endpoints", "EndpointSlice"]


async def test_what_fails_for_one_mirror_ends_its_actions_and_no_others(client: Cluster) -> None:
    taken = {"metadata": {"name": "b-east", "namespace": "test"}, "spec": {"ports": [{"port": 1}]}}
    theirs = await client.create(SERVICE, {"apiVersion": "v1", "kind": "Service", **taken})
    outcome, wrote = await done(client, CREATE)
    assert isinstance(outcome.failed[Key("test", "b-east")], AlreadyExists)
    assert outcome.done == {Key("test", "a-east"), Key("test", "c-east")}
    assert not any(" b-east" in line for line in wrote)
    assert await client.get(SERVICE, "test", "b-east") == theirs


async def test_who_may_not_write_any_more_stops_between_two_writes(client: Cluster) -> None:
    outcome, wrote = await done(client, CREATE, writes=2)
    assert len(wrote) <= 3  # two work at a time: one may have asked before
    assert len(outcome.done) < 3


async def test_an_object_that_has_changed_is_neither_written_nor_deleted(client: Cluster) -> None:
    await done(client, CREATE[:3])
    key = Key("test", "a-east")
    before = Service.from_dict(await client.get(SERVICE, *key))
    await client.patch(SERVICE, *key, {"metadata": {"labels": {"touched": "true"}}})
    outcome, _ = await done(client, [Delete(key, SERVICE, before)])
    assert isinstance(outcome.failed[key], Conflict)
    other = replace(before, metadata=replace(before.metadata, uid="another", resource_version=""))
    outcome, _ = await done(client, [Delete(key, SERVICE, other)])
    assert isinstance(outcome.failed[key], Conflict)
    assert await client.get(SERVICE, *key)


async def test_a_slice_that_we_could_not_see_is_ours_if_it_says_so(client: Cluster) -> None:
    await done(client, CREATE[:3])
    service_made = Service.from_dict(await client.get(SERVICE, "test", "a-east"))
    part = await client.get(ENDPOINT_SLICE, "test", "a-east-ipv4")
    assert part["metadata"]["ownerReferences"][0]["uid"] == service_made.metadata.uid
    hidden = {"metadata": {"labels": {marks.LINK_UID: None}}, "endpoints": []}
    await client.patch(ENDPOINT_SLICE, "test", "a-east-ipv4", hidden)
    outcome, _ = await done(client, CREATE[2:3])
    assert outcome.failed == {}
    mended = EndpointSlice.from_dict(await client.get(ENDPOINT_SLICE, "test", "a-east-ipv4"))
    assert mended.metadata.labels[marks.LINK_UID] == "link-1"
    assert mended.endpoints


async def test_a_slice_that_we_could_not_see_and_that_is_the_users_is_left_alone(client: Cluster) -> None:
    await client.create(
        ENDPOINT_SLICE,
        {**CREATE[2].object.to_dict(), "metadata": {"name": "a-east-ipv4", "namespace": "test"}},
    )
    theirs = await client.get(ENDPOINT_SLICE, "test", "a-east-ipv4")
    outcome, _ = await done(client, CREATE[:3])
    assert isinstance(outcome.failed[Key("test", "a-east")], AlreadyExists)
    assert await client.get(ENDPOINT_SLICE, "test", "a-east-ipv4") == theirs


async def test_beside_a_slice_of_the_users_the_rest_of_the_mirror_is_made(client: Cluster) -> None:
    seen = observed(remote(service("a")), gateway=(*ALIVE, GatewayAddress("2001:db8::1")))
    actions = plan(seen, wanted(seen))
    theirs = {**actions[2].object.to_dict(), "metadata": {"name": "a-east-ipv4", "namespace": "test"}}
    await client.create(ENDPOINT_SLICE, theirs)
    outcome, wrote = await done(client, actions)
    assert isinstance(outcome.failed[Key("test", "a-east")], AlreadyExists)
    assert outcome.done == set()
    assert wrote[-1] == "Create EndpointSlice a-east-ipv6"


async def test_what_is_gone_already_counts_as_deleted(client: Cluster) -> None:
    missing = replace(service(), metadata=replace(service().metadata, name=MIRROR.name))
    outcome, wrote = await done(client, [Delete(MIRROR, SERVICE, missing)])
    assert outcome.done == {MIRROR}
    assert wrote == ["Delete Service podinfo-east"]
    assert ENDPOINTS.kind == "Endpoints"
