"""The life of objects, without HTTP, a clock or chance."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from cluster import kinds
from cluster.kinds import Kind
from cluster.local.addresses import service_range
from cluster.local.refusals import AlreadyExists, BadRequest, Conflict, Forbidden, Invalid, NotFound
from cluster.local.registry import Registry
from cluster.local.resources import RESOURCES
from cluster.local.store import Store
from cluster.local.validation import Rules
from cluster.metadata import Key, Raw

ROWS = {row.kind: row for row in RESOURCES}
NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


class World:
    """A registry with two namespaces; uids are uid-1, uid-2 …"""

    def __init__(self, network: str = "127.9.9.0/24") -> None:
        uids: Iterator[int] = iter(range(1, 10_000))
        self.store = Store()
        self.registry = Registry(
            self.store,
            service_range(network),
            Rules(),
            now=lambda: NOW,
            new_uid=lambda: f"uid-{next(uids)}",
        )
        for name in ("default", "test"):
            self.create(kinds.NAMESPACE, name, "")

    def create(self, kind: Kind, name: str, namespace: str = "test", /, **body: Any) -> Raw:
        metadata = {"name": name, **body.pop("metadata", {})}
        return self.registry.create(ROWS[kind], namespace, {"metadata": metadata, **body})

    def service(self, name: str, **spec: Any) -> Raw:
        return self.create(kinds.SERVICE, name, spec={"ports": [{"port": 80}], **spec})

    def update(
        self, kind: Kind, name: str, change: Raw, *, namespace: str = "test", status: bool = False
    ) -> Raw:
        key = Key(namespace, name)
        return self.registry.update(ROWS[kind], key, lambda before: {**before, **change}, status=status)

    def delete(self, kind: Kind, name: str, namespace: str = "test", **how: Any) -> bool:
        return self.registry.delete(ROWS[kind], Key(namespace, name), **how)[1]

    def has(self, kind: Kind, name: str, namespace: str = "test") -> bool:
        return self.store.find(kind, Key(namespace, name)) is not None


@pytest.fixture(name="world")
def world_fixture() -> World:
    return World()


def test_the_server_sets_what_only_it_may_set(world: World) -> None:
    made = world.create(
        kinds.CONFIG_MAP, "a", metadata={"uid": "mine", "creationTimestamp": None, "managedFields": [{}]}
    )
    assert made["metadata"] == {
        "name": "a",
        "namespace": "test",
        "uid": "uid-3",
        "creationTimestamp": "2026-05-01T12:00:00Z",
        "resourceVersion": str(world.store.version),
    }


def test_a_name_is_made_for_who_asks_for_one(world: World) -> None:
    made = world.registry.create(ROWS[kinds.CONFIG_MAP], "test", {"metadata": {"generateName": "a-"}})
    assert made["metadata"]["name"] == "a-uid3"


def test_the_same_name_twice(world: World) -> None:
    world.create(kinds.CONFIG_MAP, "a")
    with pytest.raises(AlreadyExists, match='configmaps "a" already exists'):
        world.create(kinds.CONFIG_MAP, "a")
    world.create(kinds.CONFIG_MAP, "a", "default")


def test_nothing_is_created_in_a_namespace_that_is_not_there(world: World) -> None:
    with pytest.raises(NotFound, match='namespaces "nowhere" not found'):
        world.create(kinds.CONFIG_MAP, "a", "nowhere")


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {"name": "a", "namespace": "other"}},
        {"metadata": {"name": "a", "resourceVersion": "7"}},
        {"metadata": {"name": "a"}, "kind": "Secret"},
        {"metadata": {"name": "a"}, "apiVersion": "apps/v1"},
        {"metadata": "a"},
    ],
    ids=repr,
)
def test_a_body_that_contradicts_the_request_is_refused(world: World, body: Raw) -> None:
    with pytest.raises(BadRequest):
        world.registry.create(ROWS[kinds.CONFIG_MAP], "test", body)


def test_an_update_from_an_older_version_is_a_conflict(world: World) -> None:
    old = world.create(kinds.CONFIG_MAP, "a")
    world.update(kinds.CONFIG_MAP, "a", {"data": {"x": "1"}})
    with pytest.raises(Conflict, match="the object has been modified"):
        world.registry.replace(ROWS[kinds.CONFIG_MAP], Key("test", "a"), old)


def test_an_update_of_another_object_of_that_name_is_a_conflict(world: World) -> None:
    world.create(kinds.CONFIG_MAP, "a")
    with pytest.raises(Conflict, match="Precondition failed: UID"):
        world.update(kinds.CONFIG_MAP, "a", {"metadata": {"name": "a", "uid": "uid-of-old"}})


def test_an_update_that_changes_nothing_makes_no_new_version(world: World) -> None:
    made = world.create(kinds.CONFIG_MAP, "a", data={"x": "1"})
    assert world.update(kinds.CONFIG_MAP, "a", {"data": {"x": "1"}}) is made


def test_a_custom_resource_is_never_replaced_blindly(world: World) -> None:
    world.create(kinds.LINK, "east", spec={})
    with pytest.raises(Invalid, match="must be specified for an update"):
        world.registry.replace(ROWS[kinds.LINK], Key("test", "east"), {"metadata": {"name": "east"}})


def test_a_generation_counts_changes_of_the_spec_only(world: World) -> None:
    world.create(kinds.LINK, "east", spec={"a": "1"})
    world.update(kinds.LINK, "east", {"status": {"x": 1}}, status=True)
    assert world.update(kinds.LINK, "east", {})["metadata"]["generation"] == 1
    assert world.update(kinds.LINK, "east", {"spec": {"a": "2"}})["metadata"]["generation"] == 2


def test_spec_and_status_are_written_apart(world: World) -> None:
    made = world.create(kinds.LINK, "east", spec={"a": "1"}, status={"x": 1})
    assert "status" not in made
    wrote = world.update(kinds.LINK, "east", {"spec": {"a": "2"}, "status": {"x": 2}}, status=True)
    assert (wrote["spec"], wrote["status"]) == ({"a": "1"}, {"x": 2})
    wrote = world.update(kinds.LINK, "east", {"spec": {"a": "3"}, "status": {"x": 3}})
    assert (wrote["spec"], wrote["status"]) == ({"a": "3"}, {"x": 2})


def test_a_dry_run_says_what_would_be_and_does_nothing(world: World) -> None:
    version = world.store.version
    made = world.registry.create(ROWS[kinds.CONFIG_MAP], "test", {"metadata": {"name": "a"}}, dry_run=True)
    assert made["metadata"]["uid"]
    assert world.delete(kinds.NAMESPACE, "test", "", dry_run=True)
    assert world.store.version == version


@pytest.mark.parametrize("how", [{"uid": "other"}, {"version": "1"}], ids=repr)
def test_a_precondition_that_does_not_hold_stops_a_delete(world: World, how: dict[str, str]) -> None:
    world.create(kinds.CONFIG_MAP, "a")
    with pytest.raises(Conflict, match="Precondition failed"):
        world.delete(kinds.CONFIG_MAP, "a", **how)
    made = world.store.get(kinds.CONFIG_MAP, Key("test", "a"))["metadata"]
    assert world.delete(kinds.CONFIG_MAP, "a", uid=made["uid"], version=made["resourceVersion"])


def test_a_finalizer_holds_an_object_until_it_is_taken_away(world: World) -> None:
    world.create(kinds.LINK, "east", metadata={"finalizers": ["jackstay.io/mirrors"]}, spec={})
    assert not world.delete(kinds.LINK, "east")
    held = world.store.get(kinds.LINK, Key("test", "east"))["metadata"]
    assert held["deletionTimestamp"] == "2026-05-01T12:00:00Z"
    version = world.store.version
    assert not world.delete(kinds.LINK, "east")
    assert world.store.version == version
    with pytest.raises(Invalid, match="no new finalizers"):
        world.update(kinds.LINK, "east", {"metadata": {**held, "finalizers": ["a.b/c"]}})
    world.update(kinds.LINK, "east", {"metadata": {**held, "finalizers": []}})
    assert not world.has(kinds.LINK, "east")


def test_a_deletion_cannot_be_taken_back(world: World) -> None:
    world.create(kinds.LINK, "east", metadata={"finalizers": ["a.b/c"]}, spec={})
    world.delete(kinds.LINK, "east")
    held = dict(world.store.get(kinds.LINK, Key("test", "east"))["metadata"])
    del held["deletionTimestamp"]
    assert "deletionTimestamp" in world.update(kinds.LINK, "east", {"metadata": held})["metadata"]


def test_a_namespace_goes_with_all_that_is_in_it(world: World) -> None:
    world.create(kinds.CONFIG_MAP, "a")
    world.service("web")
    assert world.delete(kinds.NAMESPACE, "test", "")
    assert not world.has(kinds.CONFIG_MAP, "a")
    assert not world.has(kinds.SERVICE, "web")
    assert not world.has(kinds.NAMESPACE, "test", "")


def test_a_namespace_waits_for_what_a_finalizer_holds(world: World) -> None:
    world.create(kinds.LINK, "east", metadata={"finalizers": ["a.b/c"]}, spec={})
    assert not world.delete(kinds.NAMESPACE, "test", "")
    assert world.store.get(kinds.NAMESPACE, Key("", "test"))["status"]["phase"] == "Terminating"
    with pytest.raises(Forbidden, match="being terminated"):
        world.create(kinds.CONFIG_MAP, "a")
    held = world.store.get(kinds.LINK, Key("test", "east"))["metadata"]
    world.update(kinds.LINK, "east", {"metadata": {**held, "finalizers": None}})
    assert not world.has(kinds.NAMESPACE, "test", "")


def test_the_first_namespaces_stay(world: World) -> None:
    with pytest.raises(Forbidden):
        world.delete(kinds.NAMESPACE, "default", "")


def owned_by(*owners: Raw) -> Raw:
    reference = {"apiVersion": "v1", "kind": "Service"}
    listed = [
        {**reference, "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]} for owner in owners
    ]
    return {"ownerReferences": listed}


def test_what_only_a_deleted_object_owned_goes_with_it(world: World) -> None:
    one, two = world.service("one"), world.service("two")
    world.create(kinds.ENDPOINT_SLICE, "its", metadata=owned_by(one), addressType="IPv4")
    world.create(kinds.ENDPOINT_SLICE, "shared", metadata=owned_by(one, two), addressType="IPv4")
    world.create(kinds.ENDPOINTS, "one")
    world.delete(kinds.SERVICE, "one")
    assert not world.has(kinds.ENDPOINT_SLICE, "its")
    assert world.has(kinds.ENDPOINT_SLICE, "shared")
    assert not world.has(kinds.ENDPOINTS, "one")
    world.delete(kinds.SERVICE, "two", orphan=True)
    assert world.has(kinds.ENDPOINT_SLICE, "shared")


def test_services_get_addresses_in_turn_and_give_them_back(world: World) -> None:
    first, second = (world.service(name)["spec"]["clusterIP"] for name in ("one", "two"))
    assert (first, second) == ("127.9.9.10", "127.9.9.11")
    world.delete(kinds.SERVICE, "one")
    assert world.service("three")["spec"]["clusterIP"] == "127.9.9.12"
    assert world.service("four", clusterIP=first)["spec"]["clusterIPs"] == [first]
    with pytest.raises(Invalid, match="already allocated"):
        world.service("five", clusterIP=second)


def test_a_service_that_comes_back_gets_its_address_back(world: World) -> None:
    first = world.service("web")["spec"]["clusterIP"]
    world.delete(kinds.SERVICE, "web")
    assert world.service("other")["spec"]["clusterIP"] != first
    assert world.service("web")["spec"]["clusterIP"] == first


def test_when_all_addresses_are_taken_no_service_gets_one() -> None:
    world = World("127.9.9.0/28")
    assert [world.service(f"s{n}")["spec"]["clusterIP"][-2:] for n in range(5)] == [
        "10",
        "11",
        "12",
        "13",
        "14",
    ]
    with pytest.raises(Invalid, match="no address"):
        world.service("late")
    world.delete(kinds.SERVICE, "s2")
    assert world.service("late")["spec"]["clusterIP"] == "127.9.9.12"


@pytest.mark.parametrize("address", ["127.9.9.9", "127.9.9.255", "127.9.8.10", "10.0.0.1", "x", 7], ids=repr)
def test_an_address_outside_the_range_is_refused(world: World, address: object) -> None:
    with pytest.raises(Invalid, match=r"spec\.clusterIP"):
        world.service("web", clusterIP=address)


def test_a_service_keeps_its_address_and_cannot_change_it(world: World) -> None:
    spec = world.service("web")["spec"]
    kept = world.update(kinds.SERVICE, "web", {"spec": {"ports": [{"port": 81}]}})
    assert kept["spec"]["clusterIP"] == spec["clusterIP"]
    with pytest.raises(Invalid, match="immutable"):
        world.update(kinds.SERVICE, "web", {"spec": {**spec, "clusterIP": "127.9.9.99"}})


def test_headless_services_and_external_names_have_no_address(world: World) -> None:
    assert world.service("headless", clusterIP="None")["spec"]["clusterIPs"] == ["None"]
    named = world.service("named", type="ExternalName", externalName="example.org")
    assert "clusterIP" not in named["spec"]


def test_defaults_are_filled_in(world: World) -> None:
    made = world.service("web", ports=[{"port": 80, "targetPort": 0}])
    assert made["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert made["status"] == {"loadBalancer": {}}
    secret = world.create(kinds.SECRET, "s", stringData={"a": "b"})
    assert (secret["type"], secret["data"], "stringData" in secret) == ("Opaque", {"a": "Yg=="}, False)
    definition = world.create(
        kinds.CUSTOM_RESOURCE_DEFINITION,
        "links.example.org",
        "",
        spec={
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"plural": "links", "kind": "Link"},
            "versions": [{"name": "v1", "served": True, "storage": True}],
        },
    )
    assert {c["type"] for c in definition["status"]["conditions"]} == {"NamesAccepted", "Established"}
