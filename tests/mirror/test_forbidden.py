"""Which addresses are the cluster's own, and nobody's backend."""

from typing import Any

from cluster.objects import EndpointSlice, Metadata, Service, SliceEndpoint
from mirror import marks
from mirror.forbidden import Forbidden
from tests.mirror.make import service


def kubernetes(**spec: Any) -> Service:
    raw = {
        "metadata": {"name": "kubernetes", "namespace": "default"},
        "spec": {"ports": [{"port": 443}], **spec},
    }
    return Service.from_dict(raw)


def part(*addresses: str, name: str = "kubernetes", namespace: str = "default") -> EndpointSlice:
    metadata = Metadata(f"{name}-0", namespace, labels={marks.SLICE_SERVICE: name})
    return EndpointSlice(metadata, "IPv4", tuple(SliceEndpoint((ip,)) for ip in addresses))


def test_the_api_server_is_where_its_service_and_its_slices_lead() -> None:
    found = Forbidden.of(
        frozenset({"192.0.2.1"}),
        [
            kubernetes(clusterIP="10.96.0.1", clusterIPs=["10.96.0.1", "FD00::1"]),
            service(cluster_ip="10.96.0.7"),
        ],
        [part("192.0.2.6"), part("::ffff:192.0.2.7"), part("10.0.0.9", name="podinfo", namespace="test")],
    )
    assert found.nodes == {"192.0.2.1"}
    assert found.api_server == {"10.96.0.1", "fd00::1", "192.0.2.6", "192.0.2.7"}


def test_others_may_be_called_kubernetes_too() -> None:
    found = Forbidden.of(
        frozenset(),
        [service("kubernetes", namespace="test", cluster_ip="10.96.0.7")],
        [part("10.0.0.9", namespace="test")],
    )
    assert found == Forbidden()


def test_what_has_no_address_forbids_none() -> None:
    assert Forbidden.of(frozenset(), [kubernetes(clusterIP="None")], [part("api.example.com")]) == Forbidden()
