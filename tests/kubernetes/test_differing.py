"""What only one of the two API servers does: so much of the list of differences as no other test shows."""

from typing import Any

import pytest

from cluster.client import Cluster
from cluster.errors import Invalid, NotFound
from cluster.kinds import CONFIG_MAP, ENDPOINT_SLICE, ENDPOINTS, LINK, NAMESPACE, SERVICE
from tests.kubernetes.contract import a_map, a_service, an
from tests.kubernetes.differences import local_only, real_only

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
