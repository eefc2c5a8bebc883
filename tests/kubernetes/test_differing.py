"""What only one of the two API servers does: so much of the list of differences as no other test shows."""

from typing import Any

import pytest

from cluster.client import Cluster
from cluster.errors import Invalid, NotFound
from cluster.kinds import CONFIG_MAP, ENDPOINT_SLICE, ENDPOINTS, KINDS, LINK, NAMESPACE, NODE, SERVICE
from tests.kubernetes.contract import a_map, a_service, an
from tests.kubernetes.differences import local_only, real_only
from tests.support.clusters import World
from tests.support.emptied import OF_ITSELF, empty

LINK_SPEC = {"targetClusterName": "east", "clusterCredentialsSecret": "cluster-credentials-east"}


@real_only("schemas")
@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("probeSpec", {"period": "often"}),
        ("gatewayPort", 4143),
        ("selector", {"matchExpressions": "all"}),
        ("selector", {"matchExpressions": [{"key": "team", "operator": "Is"}]}),
        ("excludedLabels", "team"),
    ],
)
async def test_a_link_that_its_schema_does_not_allow_is_refused(
    cluster: Cluster, namespace: str, field: str, wrong: Any
) -> None:
    with pytest.raises(Invalid, match=f"spec.{field}"):
        await cluster.create(LINK, an(LINK, namespace, "east", spec={**LINK_SPEC, field: wrong}))
    await cluster.create(LINK, an(LINK, namespace, "east", spec=LINK_SPEC))


@real_only("endpoints on loopback")
async def test_no_endpoints_are_on_loopback(cluster: Cluster, namespace: str) -> None:
    subsets = [{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": 80}]}]
    with pytest.raises(Invalid, match="loopback"):
        await cluster.create(ENDPOINTS, an(ENDPOINTS, namespace, "web", subsets=subsets))
    more: Any = {"addressType": "IPv4", "endpoints": [{"addresses": ["127.0.0.1"]}], "ports": []}
    with pytest.raises(Invalid, match="loopback"):
        await cluster.create(ENDPOINT_SLICE, an(ENDPOINT_SLICE, namespace, "web", **more))


@real_only("controllers")
async def test_of_what_a_test_makes_nothing_is_left_for_the_next(at: World) -> None:
    west = at.west
    before = await everything(west.api)
    await at.link()
    await west.api.patch(LINK, "jackstay", "east", {"metadata": {"finalizers": ["jackstay.io/mirror"]}})
    await west.namespace("more")
    await west.service(namespace="more")
    await west.make(NODE, "node-1", None)
    assert await everything(west.api) > before
    await empty(west.access, keep=("test", "jackstay"))
    assert await everything(west.api) == before


async def everything(cluster: Cluster) -> set[tuple[str, str, str]]:
    """The kind, the namespace and the name of each object that is not the server's own."""
    return {
        (kind.kind, metadata.get("namespace", ""), metadata["name"])
        for kind in KINDS
        for metadata in [raw["metadata"] for raw in (await cluster.list(kind)).items]
        if metadata.get("namespace") not in OF_ITSELF
    }


@local_only("controllers")
async def test_what_only_a_deleted_object_owned_goes_with_it(cluster: Cluster, namespace: str) -> None:
    owner = (await cluster.create(SERVICE, a_service(namespace)))["metadata"]
    owned = a_map(namespace)
    reference = {"apiVersion": "v1", "kind": "Service", "name": owner["name"], "uid": owner["uid"]}
    owned["metadata"]["ownerReferences"] = [reference]
    await cluster.create(CONFIG_MAP, owned)
    await cluster.delete(SERVICE, namespace, owner["name"])
    with pytest.raises(NotFound):
        await cluster.get(CONFIG_MAP, namespace, "settings")


@local_only("controllers")
async def test_a_deleted_namespace_is_emptied_and_goes(cluster: Cluster, namespace: str) -> None:
    await cluster.create(CONFIG_MAP, a_map(namespace))
    await cluster.delete(NAMESPACE, None, namespace)
    with pytest.raises(NotFound):
        await cluster.get(NAMESPACE, None, namespace)
    assert not [
        raw for raw in (await cluster.list(CONFIG_MAP)).items if raw["metadata"]["namespace"] == namespace
    ]
