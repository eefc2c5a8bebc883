"""Services and what belongs to them, asked of the small API server and of a real one alike."""

import pytest

from cluster.client import Cluster
from cluster.errors import NotFound
from cluster.kinds import (
    ENDPOINT_SLICE,
    ENDPOINTS,
    SERVICE,
)
from cluster.metadata import Metadata, OwnerReference
from cluster.objects import Service
from tests.kubernetes.contract import Json, a_service, an


async def test_a_service_gets_an_address(cluster: Cluster, namespace: str) -> None:
    service = Service.from_dict(await cluster.create(SERVICE, a_service(namespace)))
    assert service.cluster_ip not in ("", "None")
    assert service.type == "ClusterIP"
    assert service.ports[0].protocol == "TCP"
    assert service.ports[0].target_port == 9898
    headless = await cluster.create(SERVICE, a_service(namespace, "headless", clusterIP="None"))
    assert Service.from_dict(headless).headless


async def test_what_belongs_to_a_service_says_so_and_is_found_by_a_label_that_is_there(
    cluster: Cluster, namespace: str
) -> None:
    service = Service.from_dict(await cluster.create(SERVICE, a_service(namespace, "podinfo-east")))
    owner = OwnerReference("v1", "Service", "podinfo-east", service.metadata.uid)
    for kind, more in (
        (ENDPOINTS, {"subsets": []}),
        (ENDPOINT_SLICE, {"addressType": "IPv4", "endpoints": []}),
    ):
        body = an(kind, namespace, "podinfo-east", labels={"jackstay.io/link-uid": "1"}, **more)
        body["metadata"]["ownerReferences"] = [owner.to_dict()]
        await cluster.create(kind, body)
        await cluster.create(kind, an(kind, namespace, "other", **more))
        (found,) = (
            await cluster.list(kind, namespace=namespace, label_selector="jackstay.io/link-uid")
        ).items
        assert Metadata.of(found).owner_references == (owner,)


async def test_the_endpoints_of_a_services_name_go_with_it_whoever_made_them(
    cluster: Cluster, namespace: str
) -> None:
    """And no slices: those are for the garbage collector, by their owner."""
    await cluster.create(SERVICE, a_service(namespace))
    await cluster.create(ENDPOINTS, an(ENDPOINTS, namespace, "podinfo", subsets=[]))
    labels = {"kubernetes.io/service-name": "podinfo"}
    more: Json = {"addressType": "IPv4", "endpoints": []}
    await cluster.create(ENDPOINT_SLICE, an(ENDPOINT_SLICE, namespace, "podinfo-0", labels=labels, **more))
    await cluster.delete(SERVICE, namespace, "podinfo")
    with pytest.raises(NotFound):
        await cluster.get(ENDPOINTS, namespace, "podinfo")
    assert await cluster.get(ENDPOINT_SLICE, namespace, "podinfo-0")
