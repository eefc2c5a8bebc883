"""
What we rely on in an API server, asked of the small one and of a real one alike.

Two servers, one set of promises: where they would differ, the small one is wrong.
"""

from datetime import datetime

import pytest

from cluster import client as client_module
from cluster.client import Cluster
from cluster.errors import AlreadyExists, Conflict, Invalid, NotFound
from cluster.kinds import (
    CONFIG_MAP,
    ENDPOINT_SLICE,
    ENDPOINTS,
    LEASE,
    LINK,
    NODE,
    SECRET,
    SERVICE,
    Kind,
)
from cluster.objects import Endpoints, EndpointSlice, Node, Secret
from tests.kubernetes.contract import Json, a_map, a_service, an, version_of


async def test_what_is_created_can_be_read_listed_and_deleted(cluster: Cluster, namespace: str) -> None:
    created = await cluster.create(CONFIG_MAP, a_map(namespace))
    assert created["metadata"]["uid"]
    assert datetime.fromisoformat(created["metadata"]["creationTimestamp"]).tzinfo is not None
    assert version_of(created).isdecimal()
    assert await cluster.get(CONFIG_MAP, namespace, "settings") == created
    listing = await cluster.list(CONFIG_MAP, namespace=namespace)
    assert [item["metadata"]["name"] for item in listing.items if item["data"] == {"color": "blue"}] == [
        "settings"
    ]
    assert int(listing.resource_version) >= int(version_of(created))
    await cluster.delete(CONFIG_MAP, namespace, "settings")
    with pytest.raises(NotFound, match=f"get configmaps {namespace}/settings"):
        await cluster.get(CONFIG_MAP, namespace, "settings")
    with pytest.raises(NotFound):
        await cluster.delete(CONFIG_MAP, namespace, "settings")


async def test_a_name_can_be_taken_once(cluster: Cluster, namespace: str) -> None:
    await cluster.create(CONFIG_MAP, a_map(namespace))
    with pytest.raises(AlreadyExists):
        await cluster.create(CONFIG_MAP, a_map(namespace))


async def test_nothing_can_be_created_in_a_namespace_that_is_not_there(cluster: Cluster) -> None:
    with pytest.raises(NotFound):
        await cluster.create(CONFIG_MAP, a_map("nowhere"))


async def test_nodes_are_in_no_namespace_and_their_addresses_in_the_status(
    cluster: Cluster, namespace: str
) -> None:
    name = f"node-of-{namespace}"
    await cluster.create(NODE, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    addresses = [
        {"type": "InternalIP", "address": "192.0.2.1"},
        {"type": "Hostname", "address": name},
    ]
    await cluster.patch_status(NODE, None, name, {"status": {"addresses": addresses}})
    listed = [Node.from_dict(raw) for raw in (await cluster.list(NODE)).items]
    assert [node.addresses for node in listed if node.metadata.name == name] == [("192.0.2.1",)]
    await cluster.delete(NODE, None, name)


async def test_a_replace_from_an_old_version_is_a_conflict(cluster: Cluster, namespace: str) -> None:
    first = await cluster.create(CONFIG_MAP, a_map(namespace))
    second = await cluster.replace(CONFIG_MAP, first | {"data": {"color": "red"}})
    assert int(version_of(second)) > int(version_of(first))
    with pytest.raises(Conflict):
        await cluster.replace(CONFIG_MAP, first | {"data": {"color": "green"}})
    assert (await cluster.get(CONFIG_MAP, namespace, "settings"))["data"] == {"color": "red"}


async def test_a_replace_that_changes_nothing_makes_no_new_version(cluster: Cluster, namespace: str) -> None:
    first = await cluster.create(CONFIG_MAP, a_map(namespace))
    assert version_of(await cluster.replace(CONFIG_MAP, first)) == version_of(first)


async def test_a_merge_patch_adds_removes_and_respects_the_version(cluster: Cluster, namespace: str) -> None:
    first = await cluster.create(CONFIG_MAP, a_map(namespace, labels={"a": "1", "b": "2"}))
    merge: Json = {"metadata": {"labels": {"a": None, "c": "3"}}, "data": {"shape": "round"}}
    second = await cluster.patch(CONFIG_MAP, namespace, "settings", merge)
    assert second["metadata"]["labels"] == {"b": "2", "c": "3"}
    assert second["data"] == {"color": "blue", "shape": "round"}
    merge["metadata"]["resourceVersion"] = version_of(first)
    merge["data"] = {"shape": "square"}
    with pytest.raises(Conflict):
        await cluster.patch(CONFIG_MAP, namespace, "settings", merge)
    with pytest.raises(NotFound):
        await cluster.patch(CONFIG_MAP, namespace, "other", {"data": {}})


async def test_deleting_is_only_of_the_object_that_was_meant(cluster: Cluster, namespace: str) -> None:
    first = await cluster.create(CONFIG_MAP, a_map(namespace))
    second = await cluster.patch(CONFIG_MAP, namespace, "settings", {"data": {"color": "red"}})
    uid = first["metadata"]["uid"]
    with pytest.raises(Conflict):
        await cluster.delete(CONFIG_MAP, namespace, "settings", uid="another")
    with pytest.raises(Conflict):
        await cluster.delete(CONFIG_MAP, namespace, "settings", uid=uid, resource_version=version_of(first))
    await cluster.delete(CONFIG_MAP, namespace, "settings", uid=uid, resource_version=version_of(second))


async def test_a_finalizer_holds_a_deletion_back(cluster: Cluster, namespace: str) -> None:
    body = an(LINK, namespace, "east", spec={})
    body["metadata"]["finalizers"] = ["jackstay.io/mirrors"]
    await cluster.create(LINK, body)
    await cluster.delete(LINK, namespace, "east")
    held = await cluster.get(LINK, namespace, "east")
    assert held["metadata"]["deletionTimestamp"]
    await cluster.patch(LINK, namespace, "east", {"metadata": {"finalizers": None}})
    with pytest.raises(NotFound):
        await cluster.get(LINK, namespace, "east")


SELECTORS = [
    ("tier=web", {"a", "b"}),
    ("tier==web,zone=1", {"a"}),
    ("tier!=web", {"c", "d"}),
    ("tier", {"a", "b", "c"}),
    ("!tier", {"d"}),
    ("tier in (web, db)", {"a", "b", "c"}),
    ("tier notin (web)", {"c", "d"}),
    ("mirror.linkerd.io/exported=true", {"d"}),
]


async def test_a_label_selector_selects(cluster: Cluster, namespace: str) -> None:
    labels = {
        "a": {"tier": "web", "zone": "1"},
        "b": {"tier": "web", "zone": "2"},
        "c": {"tier": "db"},
        "d": {"mirror.linkerd.io/exported": "true"},
    }
    for name, of_it in labels.items():
        await cluster.create(SECRET, an(SECRET, namespace, name, labels=of_it))
    for selector, names in SELECTORS:
        listing = await cluster.list(SECRET, namespace=namespace, label_selector=selector)
        assert {item["metadata"]["name"] for item in listing.items} == names, selector
    with pytest.raises(Invalid):
        await cluster.list(SECRET, namespace=namespace, label_selector="tier in web")


async def test_a_field_selector_selects(cluster: Cluster, namespace: str) -> None:
    for name in "abc":
        await cluster.create(SECRET, an(SECRET, namespace, name))
    listing = await cluster.list(SECRET, namespace=namespace, field_selector="metadata.name=b")
    assert [item["metadata"]["name"] for item in listing.items] == ["b"]
    everywhere = await cluster.list(SECRET, field_selector=f"metadata.namespace={namespace}")
    assert {item["metadata"]["name"] for item in everywhere.items} == {"a", "b", "c"}
    with pytest.raises(Invalid):
        await cluster.list(SECRET, namespace=namespace, field_selector="metadata.color=blue")


async def test_a_list_in_pages_is_the_whole_list(
    cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {f"settings-{number}" for number in range(7)}
    for name in names:
        await cluster.create(SECRET, an(SECRET, namespace, name))
    monkeypatch.setattr(client_module, "PAGE", 3)
    listing = await cluster.list(SECRET, namespace=namespace)
    assert {item["metadata"]["name"] for item in listing.items} == names


async def test_the_status_is_written_apart(cluster: Cluster, namespace: str) -> None:
    first = await cluster.create(LINK, an(LINK, namespace, "east", spec={"targetClusterName": "east"}))
    assert first["metadata"]["generation"] == 1
    gateway = {"alive": True, "services": 3, "latencyMilliseconds": 12}
    second = await cluster.patch_status(LINK, namespace, "east", {"status": {"gateway": gateway}})
    assert second["status"]["gateway"] == gateway
    third = await cluster.replace_status(LINK, second | {"spec": {}, "status": {"gateway": {"alive": False}}})
    assert third["status"]["gateway"] == {"alive": False}
    assert third["spec"]["targetClusterName"] == "east"
    assert third["metadata"]["generation"] == 1
    fourth = await cluster.patch(
        LINK, namespace, "east", {"spec": {"gatewayPort": "4143"}, "status": {"gateway": {"alive": True}}}
    )
    assert fourth["status"]["gateway"] == {"alive": False}
    assert fourth["metadata"]["generation"] == 2


async def test_a_link_is_served_in_every_version(cluster: Cluster, namespace: str) -> None:
    probe = {"path": "/ready", "period": "3s", "port": "4191"}
    await cluster.create(LINK, an(LINK, namespace, "east", spec={"probeSpec": probe}))
    for version in LINK.versions:
        kind = Kind(LINK.group, version, LINK.kind, LINK.plural, LINK.singular)
        link = await cluster.get(kind, namespace, "east")
        assert link["apiVersion"] == kind.api_version
        # The real one adds the schema's defaults, the small one does not: who reads a Link defaults.
        assert link["spec"]["probeSpec"].items() >= probe.items()


async def test_what_is_no_object_is_refused(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(Invalid):
        await cluster.create(SERVICE, a_service(namespace, "Not_A_Name"))
    with pytest.raises(Invalid):
        await cluster.create(SERVICE, a_service(namespace, ports=[{"port": 70000}]))
    endpoints = an(ENDPOINTS, namespace, "a", subsets=[{"addresses": [{"ip": "x"}], "ports": [{"port": 1}]}])
    with pytest.raises(Invalid):
        await cluster.create(ENDPOINTS, endpoints)


async def test_our_objects_survive_the_way_there_and_back(cluster: Cluster, namespace: str) -> None:
    subset = {
        "addresses": [{"ip": "192.0.2.1", "hostname": "a"}],
        "notReadyAddresses": [{"ip": "192.0.2.2"}],
        "ports": [{"name": "http", "port": 4143, "protocol": "TCP"}],
    }
    endpoints = Endpoints.from_dict(an(ENDPOINTS, namespace, "podinfo", subsets=[subset]))
    created = Endpoints.from_dict(await cluster.create(ENDPOINTS, endpoints.to_dict()))
    assert created.subsets == endpoints.subsets
    slices = EndpointSlice.from_dict(
        an(
            ENDPOINT_SLICE,
            namespace,
            "podinfo-1",
            labels={"kubernetes.io/service-name": "podinfo"},
            addressType="IPv4",
            endpoints=[
                {
                    "addresses": ["192.0.2.1"],
                    "conditions": {"ready": False},
                    "zone": "a",
                    "hints": {"forZones": [{"name": "b"}]},
                }
            ],
            ports=[{"name": "http", "port": 4143, "protocol": "TCP"}],
        )
    )
    made = EndpointSlice.from_dict(await cluster.create(ENDPOINT_SLICE, slices.to_dict()))
    assert (made.endpoints, made.ports, made.service) == (slices.endpoints, slices.ports, "podinfo")
    assert [(one.zone, one.for_zones) for one in made.endpoints] == [("a", ("b",))]
    secret = Secret.from_dict(an(SECRET, namespace, "a", data={"kubeconfig": "aGk="}))
    assert Secret.from_dict(await cluster.create(SECRET, secret.to_dict())).data == {"kubeconfig": b"hi"}


async def test_a_lease_is_taken_from_the_version_that_was_read(cluster: Cluster, namespace: str) -> None:
    spec = {
        "holderIdentity": "one",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-02T03:04:05.000006Z",
        "renewTime": "2026-01-02T03:04:05.000006Z",
        "leaseTransitions": 0,
    }
    first = await cluster.create(LEASE, an(LEASE, namespace, "jackstay-mirror", spec=spec))
    assert first["spec"] == spec
    await cluster.replace(LEASE, first | {"spec": spec | {"holderIdentity": "two"}})
    with pytest.raises(Conflict):
        await cluster.replace(LEASE, first | {"spec": spec | {"holderIdentity": "three"}})
