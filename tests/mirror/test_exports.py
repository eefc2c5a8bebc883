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
from mirror.exports import EXAMPLE, allowed_identities, routes, shut_by_mistake
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


def exported(found: Service, *parts: EndpointSlice, **more: Any) -> RouteTable:
    return routes([found], parts, cluster_domain="cluster.local", own_namespace="jackstay", **more)


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


@pytest.mark.parametrize(
    "endpoint",
    [
        pod(target=None),
        pod(target=Reference("Pod", "other", "podinfo-0")),
        pod(target=Reference("Node", "test", "node-1")),
        pod("169.254.169.254"),
        pod("127.0.0.1"),
        pod("::ffff:127.0.0.1"),
        pod("0.0.0.0"),
        pod("224.0.0.1"),
        pod("192.0.2.1"),
        pod("no address"),
        pod(ready=False),
    ],
)
def test_an_address_that_is_no_pods_is_no_backend(endpoint: SliceEndpoint) -> None:
    found = exported(service(), part(endpoint), forbidden=frozenset({"192.0.2.1"})).find(NAME, 9898)
    assert found is not None
    assert found.backends == ()


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
    found = routes(
        [service("a"), service("b", namespace="web")],
        [
            part(pod(), name="a"),
            part(pod("10.0.0.1", target=Reference("Pod", "web", "b-0")), name="b", namespace="web"),
        ],
        cluster_domain="cluster.local",
        own_namespace="jackstay",
    )
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


@pytest.mark.parametrize(("affinity", "sticky"), [("ClientIP", True), ("None", False), (None, False)])
def test_session_affinity_is_honoured(affinity: str | None, sticky: bool) -> None:
    spec = {"sessionAffinity": affinity} if affinity else {}
    raw = service().to_dict()
    found = exported(Service.from_dict({**raw, "spec": {**raw["spec"], **spec}}), part(pod())).find(
        NAME, 9898
    )
    assert found is not None
    assert found.sticky is sticky
