from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.objects import (
    Endpoints,
    EndpointSlice,
    Key,
    Link,
    Malformed,
    Metadata,
    Namespace,
    Node,
    Reference,
    Secret,
    Service,
    ServicePort,
    time_text,
)

METADATA = {
    "name": "podinfo",
    "namespace": "test",
    "uid": "u",
    "resourceVersion": "7",
    "labels": {"a": "b"},
    "annotations": {"c": "d"},
    "finalizers": ["jackstay.io/mirrors"],
    "ownerReferences": [
        {"apiVersion": "v1", "kind": "Namespace", "name": "n", "uid": "v", "controller": True}
    ],
}
POD = {"kind": "Pod", "namespace": "test", "name": "podinfo-1", "uid": "p"}

ROUND_TRIPS: list[tuple[Callable[[object], Any], dict[str, Any]]] = [
    (Namespace.from_dict, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "test"}}),
    (
        Service.from_dict,
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": METADATA,
            "spec": {
                "type": "NodePort",
                "clusterIP": "10.0.0.1",
                "selector": {"app": "podinfo"},
                "ports": [
                    {
                        "name": "http",
                        "port": 80,
                        "protocol": "TCP",
                        "targetPort": "web",
                        "appProtocol": "http",
                    },
                    {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 5353, "nodePort": 30053},
                ],
            },
        },
    ),
    (
        Endpoints.from_dict,
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": METADATA,
            "subsets": [
                {
                    "addresses": [{"ip": "192.0.2.1", "hostname": "a", "nodeName": "n", "targetRef": POD}],
                    "notReadyAddresses": [{"ip": "192.0.2.2"}],
                    "ports": [{"name": "http", "port": 4143, "protocol": "TCP", "appProtocol": "http"}],
                }
            ],
        },
    ),
    (
        EndpointSlice.from_dict,
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": METADATA,
            "addressType": "IPv4",
            "endpoints": [
                {
                    "addresses": ["192.0.2.1"],
                    "conditions": {"ready": False, "serving": True, "terminating": True},
                    "targetRef": POD,
                    "zone": "z",
                    "hints": {"forZones": [{"name": "z"}, {"name": "y"}]},
                    "nodeName": "n",
                    "hostname": "h",
                }
            ],
            "ports": [{"name": "http", "port": 4143, "protocol": "TCP"}],
        },
    ),
    (
        Secret.from_dict,
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": METADATA,
            "type": "mirror.linkerd.io/remote-kubeconfig",
            "data": {"kubeconfig": "aGk="},
        },
    ),
    (
        Link.from_dict,
        {
            "apiVersion": "multicluster.linkerd.io/v1alpha3",
            "kind": "Link",
            "metadata": METADATA,
            "spec": {"targetClusterName": "east"},
            "status": {"gateway": {"alive": True}},
        },
    ),
]


@pytest.mark.parametrize(("read", "raw"), ROUND_TRIPS)
def test_what_is_read_is_written_back_the_same(read: Callable[[object], Any], raw: dict[str, Any]) -> None:
    assert read(raw).to_dict() == raw
    assert read(read(raw).to_dict()) == read(raw)


MALFORMED: list[tuple[Callable[[object], Any], Any, str]] = [
    (Service.from_dict, None, "the object is not an object"),
    (Service.from_dict, {}, "metadata.name is missing"),
    (Service.from_dict, {"metadata": []}, "metadata is not an object"),
    (Service.from_dict, {"metadata": {"name": ""}}, "metadata.name is missing"),
    (Service.from_dict, {"metadata": {"name": 7}}, "metadata.name is not a string"),
    (Service.from_dict, {"metadata": {"name": "a", "labels": ["b"]}}, "metadata.labels is not an object"),
    (
        Service.from_dict,
        {"metadata": {"name": "a", "labels": {"b": 1}}},
        "metadata.labels is not a map of strings",
    ),
    (
        Service.from_dict,
        {"metadata": {"name": "a", "generation": "1"}},
        "metadata.generation is not a whole number",
    ),
    (
        Service.from_dict,
        {"metadata": {"name": "a", "creationTimestamp": "yesterday"}},
        "metadata.creationTimestamp is not a time",
    ),
    (
        Service.from_dict,
        {"metadata": {"name": "a", "creationTimestamp": "2026-01-02T03:04:05"}},
        "metadata.creationTimestamp is not a time with its zone",
    ),
    (Service.from_dict, {"metadata": {"name": "a"}, "spec": {"ports": {}}}, "spec.ports is not a list"),
    (
        Service.from_dict,
        {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 1}, {"port": 65536}]}},
        "spec.ports[1].port is not a port from 1 to 65535",
    ),
    (
        Service.from_dict,
        {"metadata": {"name": "a"}, "spec": {"ports": [{"port": True}]}},
        "spec.ports[0].port is not a whole number",
    ),
    (
        Endpoints.from_dict,
        {"metadata": {"name": "a"}, "subsets": [{"addresses": [{}]}]},
        "subsets[0].addresses[0].ip is missing",
    ),
    (EndpointSlice.from_dict, {"metadata": {"name": "a"}}, "addressType is missing"),
    (
        EndpointSlice.from_dict,
        {"metadata": {"name": "a"}, "addressType": "IPv4", "endpoints": [{"conditions": {"ready": "yes"}}]},
        "endpoints[0].conditions.ready is not true or false",
    ),
    (Secret.from_dict, {"metadata": {"name": "a"}, "data": {"b": "?"}}, "data[b] is not base64"),
    (Link.from_dict, {"metadata": {"name": "a"}, "spec": "b"}, "spec is not an object"),
]


@pytest.mark.parametrize(("read", "raw", "sentence"), MALFORMED)
def test_a_mistake_names_its_field(read: Callable[[object], Any], raw: Any, sentence: str) -> None:
    with pytest.raises(Malformed) as mistake:
        read(raw)
    assert str(mistake.value) == sentence


FIELDS = [
    *("metadata", "name", "spec", "ports", "port", "labels", "subsets", "addresses", "ip", "data"),
    *("status", "loadBalancer", "ingress", "endpoints", "conditions", "creationTimestamp"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(FIELDS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.sampled_from([read for read, _ in ROUND_TRIPS]))
def test_no_json_raises_anything_else(raw: Any, read: Callable[[object], Any]) -> None:
    try:
        read(raw)
    except Malformed:
        return
    assert raw["metadata"]["name"]


def test_null_is_absent_and_what_is_unknown_is_passed_over() -> None:
    raw = {
        "metadata": {"name": "a", "labels": None, "new": 1},
        "spec": {"ports": None, "new": []},
        "status": None,
    }
    assert Service.from_dict(raw) == Service(Metadata("a"))


def test_a_load_balancers_addresses_and_names_are_read() -> None:
    ingress = [{"ip": "192.0.2.1"}, {"hostname": "lb.example.com"}]
    raw = {"metadata": {"name": "a"}, "status": {"loadBalancer": {"ingress": ingress}}}
    assert Service.from_dict(raw).ingress == ("192.0.2.1", "lb.example.com")


def test_a_service_has_an_address_for_each_family() -> None:
    spec = {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"]}
    read = Service.from_dict({"metadata": {"name": "a"}, "spec": spec})
    assert read.cluster_ips == ("10.0.0.1", "fd00::1")
    assert read == Service(Metadata("a"), cluster_ip="10.0.0.1")  # the server has it from the other


def test_a_node_is_where_its_addresses_are_and_its_names_are_not() -> None:
    addresses = [
        {"type": "InternalIP", "address": "192.0.2.1"},
        {"type": "InternalIP", "address": "2001:DB8::0:1"},
        {"type": "ExternalIP", "address": "::ffff:198.51.100.1"},
        {"type": "Hostname", "address": "192.0.2.2"},
        {"type": "Hostname", "address": "node-1"},
        {"type": "InternalDNS", "address": "node-1.example.com"},
        {"type": "InternalIP"},
    ]
    raw = {"metadata": {"name": "node-1"}, "status": {"addresses": addresses}}
    assert Node.from_dict(raw).addresses == ("192.0.2.1", "2001:db8::1", "198.51.100.1", "192.0.2.2")
    assert Node.from_dict({"metadata": {"name": "node-1"}}).addresses == ()


def test_not_saying_whether_it_is_ready_counts_as_ready() -> None:
    raw = {
        "metadata": {"name": "a", "labels": {"kubernetes.io/service-name": "podinfo"}},
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": ["192.0.2.1"]},
            {"addresses": ["192.0.2.2"], "conditions": {"ready": False}, "targetRef": POD},
        ],
        "ports": [{}],
    }
    slices = EndpointSlice.from_dict(raw)
    assert [endpoint.is_ready for endpoint in slices.endpoints] == [True, False]
    assert [endpoint.target for endpoint in slices.endpoints] == [
        None,
        Reference("Pod", "test", "podinfo-1", "p"),
    ]
    assert slices.service == "podinfo"
    assert slices.ports[0].port is None


def test_endpoints_without_subsets_say_so() -> None:
    assert Endpoints(Metadata("a", "b")).to_dict()["subsets"] == []


def test_a_secret_is_not_in_the_repr() -> None:
    secret = Secret(Metadata("a", "b"), data={"kubeconfig": b"secret"})
    assert "secret" not in repr(secret)


def test_a_service_port_needs_no_more_than_a_number() -> None:
    assert ServicePort(80).to_dict() == {"port": 80, "protocol": "TCP"}


def test_a_key_is_written_as_kubectl_writes_it() -> None:
    assert str(Metadata("a", "b").key) == "b/a"
    assert str(Key("", "a")) == "a"


def test_times_are_written_as_kubernetes_writes_them() -> None:
    time = datetime(2026, 1, 2, 4, 4, 5, 6, timezone(timedelta(hours=1)))
    assert time_text(time) == "2026-01-02T03:04:05Z"
    raw = {"metadata": {"name": "a", "deletionTimestamp": "2026-01-02T03:04:05Z"}}
    assert Metadata.of(raw).deletion_timestamp == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
