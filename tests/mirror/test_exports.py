"""What a gateway lets in, from what its cluster holds."""

from collections.abc import Mapping
from typing import Any

import pytest

from cluster.objects import (
    EndpointPort,
    EndpointSlice,
    Key,
    Metadata,
    Reference,
    Service,
    ServicePort,
    SliceEndpoint,
)
from gateway.routes import Route, RouteTable
from mirror import marks
from mirror.exports import EXAMPLE, Exports, allowed_identities, exports, shut_by_mistake
from mirror.forbidden import Forbidden
from process.address import Address
from tests.mirror.make import service

NAME = "podinfo.test.svc.cluster.local"
POD = Reference("Pod", "test", "podinfo-0")


def part(
    *endpoints: SliceEndpoint, name: str = "podinfo", namespace: str = "test", **more: Any
) -> EndpointSlice:
    metadata = Metadata(f"{name}-0", namespace, labels={marks.SLICE_SERVICE: name})
    fields = {"address_type": "IPv4", "ports": (EndpointPort(9000, "http"),), **more}
    return EndpointSlice(metadata, endpoints=endpoints, **fields)


def pod(ip: str = "10.0.0.9", **more: Any) -> SliceEndpoint:
    return SliceEndpoint((ip,), **{"ready": True, "target": POD, **more})


def all_exports(found: Service, *parts: EndpointSlice, **more: Any) -> Exports:
    return exports([found], parts, cluster_domain="cluster.local", own_namespace="jackstay", **more)


def exported(found: Service, *parts: EndpointSlice, **more: Any) -> RouteTable:
    return all_exports(found, *parts, **more).routes


def test_an_exported_service_is_a_route_for_each_port_to_its_ready_pods() -> None:
    ports = (ServicePort(9898, "http"), ServicePort(9999, "grpc"), ServicePort(53, "dns", "UDP"))
    listening = (EndpointPort(9000, "http"), EndpointPort(9001, "grpc"), EndpointPort(53, "dns", "UDP"))
    slices = part(pod(), pod("10.0.0.8"), pod("10.0.0.7", ready=False), ports=listening)
    assert exported(service(ports=ports), slices) == RouteTable.of(
        [
            Route(NAME, 9898, (Address("10.0.0.8", 9000), Address("10.0.0.9", 9000))),
            Route(NAME, 9999, (Address("10.0.0.8", 9001), Address("10.0.0.9", 9001))),
        ]
    )


@pytest.mark.parametrize(
    ("labels", "is_exported"),
    [
        ({marks.EXPORTED: "true"}, True),
        ({marks.EXPORTED: "false"}, False),
        ({marks.EXPORTED: "remote-discovery"}, False),
        ({marks.FEDERATED: "member"}, True),
        ({marks.FEDERATED: "true"}, False),
        ({}, False),
    ],
)
def test_the_label_decides(labels: dict[str, str], is_exported: bool) -> None:
    found = exported(service(exported=False, labels=labels), part(pod()))
    assert (found.find(NAME, 9898) is not None) is is_exported


@pytest.mark.parametrize(
    "found",
    [
        service(selector={}),
        service(type="ExternalName", external_name="evil.example.com"),
        service("kubernetes", namespace="default"),
        service("jackstay-gateway", namespace="jackstay"),
        service(labels={marks.MIRRORED_SERVICE: "true"}),
    ],
    ids=["without pods of its own", "elsewhere", "the API server", "our own", "a mirror"],
)
def test_what_must_not_be_exported_is_not_unless_listed(found: Service) -> None:
    assert not exported(found).routes
    assert len(exported(found, listed=frozenset({found.metadata.key})).routes) == 1


NOT_OF_IT = "no Pod of the Service's namespace"
LOOPBACK = "a loopback address"
OF_A_NODE = "the address of a node (only a Service listed by --allow-services may be there)"
OF_THE_API = "an address of the API server"
CLUSTER = Forbidden(nodes=frozenset({"192.0.2.1", "2001:db8::1"}), api_server=frozenset({"192.0.2.6"}))


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        (pod(target=None), NOT_OF_IT),
        (pod(target=Reference("Pod", "other", "podinfo-0")), NOT_OF_IT),
        (pod(target=Reference("Node", "test", "node-1")), NOT_OF_IT),
        (pod("169.254.169.254"), "a link-local address"),
        (pod("127.0.0.1"), LOOPBACK),
        (pod("::ffff:127.0.0.1"), LOOPBACK),
        (pod("0.0.0.0"), "the unspecified address"),
        (pod("224.0.0.1"), "a multicast address"),
        (pod("192.0.2.1"), OF_A_NODE),
        (pod("::ffff:192.0.2.1"), OF_A_NODE),
        (pod("2001:DB8::0:1"), OF_A_NODE),
        (pod("192.0.2.6"), OF_THE_API),
        (pod("64:ff9b::192.0.2.6"), OF_THE_API),
        (pod("no address"), "no IP address"),
    ],
)
def test_an_address_that_is_no_pods_is_no_backend_and_told_with_the_reason(
    endpoint: SliceEndpoint, why: str
) -> None:
    found = all_exports(service(), part(endpoint, pod("10.0.0.8")), forbidden=CLUSTER)
    route = found.routes.find(NAME, 9898)
    assert route is not None
    assert route.backends == (Address("10.0.0.8", 9000),)
    assert found.refused == {Key("test", "podinfo"): {why: endpoint.addresses}}


def test_what_is_not_ready_is_no_backend_and_nobody_is_told() -> None:
    found = all_exports(service(), part(pod(ready=False), pod("192.0.2.1", ready=False)), forbidden=CLUSTER)
    assert [route.backends for route in found.routes.routes.values()] == [()]
    assert not found.refused


def test_of_a_service_that_is_not_exported_nothing_is_told() -> None:
    found = all_exports(service(exported=False), part(pod("192.0.2.1")), forbidden=CLUSTER)
    assert not found.routes.routes
    assert not found.refused


def test_an_address_is_told_once_whatever_the_number_of_ports() -> None:
    ports = (ServicePort(9898, "http"), ServicePort(9999, "grpc"))
    listening = (EndpointPort(9000, "http"), EndpointPort(9001, "grpc"))
    slices = part(pod("192.0.2.1"), pod("127.0.0.1"), ports=listening)
    assert all_exports(service(ports=ports), slices, forbidden=CLUSTER).refused == {
        Key("test", "podinfo"): {LOOPBACK: ("127.0.0.1",), OF_A_NODE: ("192.0.2.1",)}
    }


def test_a_listed_service_may_be_at_the_address_of_a_node_but_not_of_the_api_server() -> None:
    slices = part(pod("192.0.2.1"), pod("192.0.2.6"), pod("169.254.169.254", target=None))
    found = all_exports(service(), slices, forbidden=CLUSTER, listed=frozenset({Key("test", "podinfo")}))
    assert [route.backends for route in found.routes.routes.values()] == [(Address("192.0.2.1", 9000),)]
    assert found.refused[Key("test", "podinfo")].keys() == {OF_THE_API, "a link-local address"}


def test_loopback_is_for_the_demo() -> None:
    found = exported(service(), part(pod("127.0.0.1")), allow_loopback=True).find(NAME, 9898)
    assert found is not None
    assert found.backends == (Address("127.0.0.1", 9000),)


def test_a_slice_of_another_namespace_does_not_count() -> None:
    found = exported(service(), part(pod(), namespace="other")).find(NAME, 9898)
    assert found is not None
    assert found.backends == ()


def test_annotations_say_how_and_for_whom() -> None:
    annotations = {
        marks.ALLOW_IDENTITIES: "web.test.x, *.Ops.x",
        marks.ACCEPT_BARE_FIN: "true",
        marks.PROXY_PROTOCOL: "v2",
    }
    assert exported(service(annotations=annotations)).find(NAME, 9898) == Route(
        NAME, 9898, (), ("web.test.x", "*.ops.x"), accept_bare_fin=True, proxy_protocol=True
    )


@pytest.mark.parametrize(
    ("annotations", "allowed"),
    [
        ({}, None),
        ({marks.ALLOW_IDENTITIES: ""}, ()),
        ({marks.ALLOW_IDENTITIES: "*"}, ()),
        ({marks.ALLOW_IDENTITIES: "web.test.x,"}, ()),
        ({marks.ALLOW_IDENTITIES: "web.*.x"}, ()),
        ({marks.ALLOW_IDENTITIES: "*.*.x"}, ()),
        ({marks.ALLOW_IDENTITIES: "web.test.x web.ops.x"}, ()),
        ({marks.ALLOW_IDENTITIES: "web.test.x"}, ("web.test.x",)),
    ],
)
def test_what_is_no_list_of_identities_is_nobody(
    annotations: Mapping[str, str], allowed: tuple[str, ...] | None
) -> None:
    assert allowed_identities(annotations) == allowed


def shut(value: str, *, labelled: bool = True) -> str | None:
    return shut_by_mistake(service(exported=labelled, annotations={marks.ALLOW_IDENTITIES: value}))


def test_a_mistake_that_shuts_everybody_out_is_named_with_what_would_be_right() -> None:
    assert shut("web.test.x, web/test") == (
        "nobody may call it: jackstay.io/allow-identities is 'web.test.x, web/test', in which 'web/test' is "
        "no identity; valid are web.test.serviceaccount.identity.jackstay.cluster.local, "
        "*.test.serviceaccount.identity.jackstay.cluster.local and several with commas between them"
    )


def test_what_is_said_to_be_valid_is() -> None:
    for example in (EXAMPLE, f"*.{EXAMPLE.partition('.')[2]}"):
        assert shut(example) is None
        assert allowed_identities({marks.ALLOW_IDENTITIES: example}) == (example,)


@pytest.mark.parametrize("value", ["", " ", "web.test.x", "web.test.x, *.Ops.x"])
def test_a_list_of_identities_and_nobody_at_all_are_no_mistakes(value: str) -> None:
    assert shut(value) is None


def test_who_may_call_a_service_that_is_not_exported_is_no_matter() -> None:
    assert shut("*", labelled=False) is None


def test_a_value_is_quoted_in_a_length_fit_for_a_line() -> None:
    assert len(shut("*" * 100_000) or "") < 700
    assert "\n" not in (shut("a\nb") or "\n")


def test_services_keep_apart() -> None:
    found = exports(
        [service("a"), service("b", namespace="web")],
        [
            part(pod(), name="a"),
            part(pod("10.0.0.1", target=Reference("Pod", "web", "b-0")), name="b", namespace="web"),
        ],
        cluster_domain="cluster.local",
        own_namespace="jackstay",
    ).routes
    assert {key[0]: route.backends for key, route in found.routes.items()} == {
        "a.test.svc.cluster.local": (Address("10.0.0.9", 9000),),
        "b.web.svc.cluster.local": (Address("10.0.0.1", 9000),),
    }
    assert Key("web", "b") != Key("test", "b")


def test_pods_of_our_own_zone_are_the_near_ones() -> None:
    slices = part(pod("10.0.0.7", zone="a"), pod("10.0.0.8", zone="b"), pod("10.0.0.9"))

    def near(zone: str) -> list[str]:
        found = exported(service(), slices, zone=zone).find(NAME, 9898)
        assert found is not None
        assert [one.host for one in found.backends] == ["10.0.0.7", "10.0.0.8", "10.0.0.9"]
        return [one.host for one in found.near]

    assert near("a") == ["10.0.0.7"]
    assert near("c") == []
    assert near("") == []  # nothing is known of ours: that an endpoint's is not known either is no reason


@pytest.mark.parametrize(
    ("meant", "near"),
    [
        ([("a",), ("b",), ("b", "a")], ["10.0.0.1", "10.0.0.3"]),
        ([("b",), ("b",), ("c",)], ["10.0.0.1"]),  # none for us: the one in our zone
        ([("b",), ("a",), ()], ["10.0.0.1"]),  # one does not say: the hints are of no use
    ],
)
def test_where_all_pods_say_whom_they_are_meant_for_that_counts(
    meant: list[tuple[str, ...]], near: list[str]
) -> None:
    zones = ["a", "b", "c"]
    pods = [pod(f"10.0.0.{n}", zone=zones[n - 1], for_zones=of) for n, of in enumerate(meant, 1)]
    found = exported(service(), part(*pods), zone="a").find(NAME, 9898)
    assert found is not None
    assert [one.host for one in found.near] == near


def test_the_routes_come_with_the_addresses_that_nothing_may_lead_them_to() -> None:
    def never(**more: Any) -> frozenset[str]:
        table = exported(service(), part(pod()), forbidden=CLUSTER, **more)
        (route,) = table.routes.values()
        return table.never_of(route)

    assert never() == CLUSTER.nodes | CLUSTER.api_server
    assert never(listed=frozenset({Key("test", "podinfo")})) == CLUSTER.api_server


@pytest.mark.parametrize(("affinity", "sticky"), [("ClientIP", True), ("None", False), (None, False)])
def test_session_affinity_is_honoured(affinity: str | None, sticky: bool) -> None:
    spec = {"sessionAffinity": affinity} if affinity else {}
    raw = service().to_dict()
    found = exported(Service.from_dict({**raw, "spec": {**raw["spec"], **spec}}), part(pod())).find(
        NAME, 9898
    )
    assert found is not None
    assert found.sticky is sticky
