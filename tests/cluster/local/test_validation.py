from typing import Any

import pytest

from cluster import kinds
from cluster.kinds import Kind
from cluster.local import names
from cluster.local.resources import RESOURCES
from cluster.local.validation import Rules
from cluster.metadata import Raw

ROWS = {row.kind: row for row in RESOURCES}


def mistakes(
    kind: Kind, before: Raw | None = None, *, allow_loopback: bool = False, **body: Any
) -> list[str]:
    item = {
        "metadata": {"name": "x", "namespace": "test"},
        **({"spec": {}} if ROWS[kind].has_spec else {}),
        **body,
    }
    found = ROWS[kind].check(item, before, Rules(allow_loopback=allow_loopback))
    return [mistake.field for mistake in found]


def ports(*given: object, **spec: Any) -> dict[str, Any]:
    return {"spec": {"type": "ClusterIP", "ports": list(given), **spec}}


PORT = {"port": 80, "targetPort": 80, "protocol": "TCP"}


@pytest.mark.parametrize(
    ("name", "rule", "good"),
    [
        ("web", names.dns_label, True),
        ("0web", names.dns_label, True),
        ("a" * 63, names.dns_label, True),
        ("a" * 64, names.dns_label, False),
        ("a.b", names.dns_label, False),
        ("Web", names.dns_label, False),
        ("-web", names.dns_label, False),
        ("web\n", names.dns_label, False),
        ("a.b", names.dns_subdomain, True),
        ("a..b", names.dns_subdomain, False),
        ("a" * 254, names.dns_subdomain, False),
        ("0web", names.service_name, False),
        ("web-", names.service_name, False),
        ("a/b", names.dns_subdomain, False),
    ],
)
def test_names(name: str, rule: Any, *, good: bool) -> None:
    assert (rule(name) is None) is good


@pytest.mark.parametrize(
    ("metadata", "fields"),
    [
        ({}, ["metadata.name"]),
        ({"name": 7}, ["metadata.name"]),
        ({"name": "x", "labels": {"a/b/c": "v"}}, ["metadata.labels"]),
        ({"name": "x", "labels": {"a": "v w"}}, ["metadata.labels"]),
        ({"name": "x", "labels": {"a": 7}}, ["metadata.labels"]),
        ({"name": "x", "labels": ["a"]}, ["metadata.labels"]),
        ({"name": "x", "annotations": {"a b": "v"}}, ["metadata.annotations"]),
        ({"name": "x", "annotations": {"a": "v" * 262144}}, ["metadata.annotations"]),
        ({"name": "x", "finalizers": "f"}, ["metadata.finalizers"]),
        ({"name": "x", "finalizers": [7]}, ["metadata.finalizers"]),
        (
            {"name": "x", "ownerReferences": [{"kind": "K", "name": "n", "uid": "u"}]},
            ["metadata.ownerReferences[0].apiVersion"],
        ),
        (
            {
                "name": "x",
                "labels": {"a.b/c": "v"},
                "annotations": {"A/b": "any thing"},
                "finalizers": ["a.b/c"],
            },
            [],
        ),
    ],
    ids=repr,
)
def test_metadata(metadata: Raw, fields: list[str]) -> None:
    assert [found.field for found in names.metadata({"metadata": metadata}, names.dns_label)] == fields


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (ports(PORT), []),
        (ports(), ["spec.ports"]),
        (ports(clusterIP="None"), []),
        (ports({**PORT, "port": 0}), ["spec.ports[0].port"]),
        (ports({**PORT, "port": 65536}), ["spec.ports[0].port"]),
        (ports({**PORT, "port": True}), ["spec.ports[0].port"]),
        (ports({**PORT, "port": "80"}), ["spec.ports[0].port"]),
        (ports({"targetPort": 80}), ["spec.ports[0].port"]),
        (ports({**PORT, "targetPort": "http"}), []),
        (ports({**PORT, "targetPort": "no--name"}), ["spec.ports[0].targetPort"]),
        (ports({**PORT, "targetPort": 70000}), ["spec.ports[0].targetPort"]),
        (ports({**PORT, "protocol": "ICMP"}), ["spec.ports[0].protocol"]),
        (ports({**PORT, "name": "a"}, {**PORT, "name": "b"}), ["spec.ports[1]"]),
        (ports({**PORT, "name": "a"}, {**PORT, "port": 81}), ["spec.ports[1].name"]),
        (ports({**PORT, "name": "a"}, {**PORT, "port": 81, "name": "a"}), ["spec.ports[1].name"]),
        (ports({**PORT, "name": "A"}), ["spec.ports[0].name"]),
        (ports("80"), ["spec.ports[0]"]),
        (ports(PORT, type="Other"), ["spec.type"]),
        (ports(PORT, selector={"a": 1}), ["spec.selector"]),
        ({"spec": {"type": "ExternalName"}}, ["spec.externalName"]),
        ({"spec": {"type": "ExternalName", "externalName": "example.org"}}, []),
        ({"spec": {"type": "ClusterIP", "ports": "80"}}, ["spec.ports"]),
    ],
    ids=repr,
)
def test_services(body: Raw, fields: list[str]) -> None:
    assert mistakes(kinds.SERVICE, **body) == fields


def subset(*addresses: object, **more: Any) -> dict[str, Any]:
    return {"subsets": [{"addresses": list(addresses), "ports": [{"port": 80}], **more}]}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (subset({"ip": "10.0.0.1"}), []),
        ({"subsets": []}, []),
        (subset(), ["subsets[0]"]),
        (subset({"ip": "127.0.0.1"}), ["subsets[0].addresses[0].ip"]),
        (subset({"ip": "169.254.169.254"}), ["subsets[0].addresses[0].ip"]),
        (subset({"ip": "::ffff:127.0.0.1"}), ["subsets[0].addresses[0].ip"]),
        (subset({"ip": "0.0.0.0"}), ["subsets[0].addresses[0].ip"]),
        (subset({"ip": "example.org"}), ["subsets[0].addresses[0].ip"]),
        (subset({}), ["subsets[0].addresses[0].ip"]),
        (subset("10.0.0.1"), ["subsets[0].addresses"]),
        (subset(notReadyAddresses=[{"ip": "224.0.0.1"}]), ["subsets[0].notReadyAddresses[0].ip"]),
        (subset({"ip": "10.0.0.1"}, ports=[{"port": 0}]), ["subsets[0].ports[0].port"]),
        ({"subsets": "x"}, ["subsets"]),
    ],
    ids=repr,
)
def test_endpoints(body: Raw, fields: list[str]) -> None:
    assert mistakes(kinds.ENDPOINTS, **body) == fields


def slice_of(*addresses: object, family: str = "IPv4", **more: Any) -> dict[str, Any]:
    return {"addressType": family, "endpoints": [{"addresses": list(addresses)}], **more}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (slice_of("10.0.0.1"), []),
        (slice_of("2001:db8::1", family="IPv6"), []),
        (slice_of("example.org", family="FQDN"), []),
        (slice_of("10.0.0.1", ports=[{"port": 80}, {"name": "b"}]), []),
        ({"endpoints": []}, ["addressType"]),
        (slice_of("10.0.0.1", family="IPv5"), ["addressType"]),
        (slice_of("10.0.0.1", family="IPv6"), ["endpoints[0].addresses[0]"]),
        (slice_of("127.0.0.1"), ["endpoints[0].addresses[0]"]),
        (slice_of(), ["endpoints[0].addresses"]),
        (slice_of(7), ["endpoints[0].addresses"]),
        (slice_of("10.0.0.1", ports=[{"port": 80}, {"port": 81}]), ["ports[1].name"]),
    ],
    ids=repr,
)
def test_endpoint_slices(body: Raw, fields: list[str]) -> None:
    assert mistakes(kinds.ENDPOINT_SLICE, **body) == fields


def test_addresses_of_this_machine_are_taken_only_when_allowed() -> None:
    assert mistakes(kinds.ENDPOINTS, allow_loopback=True, **subset({"ip": "127.0.0.1"})) == []
    assert mistakes(kinds.ENDPOINT_SLICE, allow_loopback=True, **slice_of("127.0.0.1")) == []
    assert mistakes(kinds.ENDPOINTS, allow_loopback=True, **subset({"ip": "169.254.1.1"})) != []


CONTAINER = {"name": "c", "image": "i"}


@pytest.mark.parametrize(
    ("kind", "body", "fields"),
    [
        (kinds.SECRET, {"type": "Opaque", "data": {"a": "Yg=="}}, []),
        (kinds.SECRET, {"type": "Opaque", "data": {"a": "not base64"}}, ["data[a]"]),
        (kinds.SECRET, {"type": "Opaque", "data": {"a b": ""}}, ["data[a b]"]),
        (kinds.SECRET, {"type": "Opaque", "data": {"a": 1}}, ["data"]),
        (kinds.SECRET, {"type": "kubernetes.io/tls", "data": {"tls.crt": ""}}, ["data[tls.key]"]),
        (kinds.CONFIG_MAP, {"data": {"a": "b"}}, []),
        (kinds.CONFIG_MAP, {"data": {"a": 1}}, ["data"]),
        (kinds.CONFIG_MAP, {"data": {"a": "x" * (1 << 20), "b": "x"}}, ["data"]),
        (kinds.LEASE, {"spec": {"leaseDurationSeconds": 15, "leaseTransitions": 0}}, []),
        (kinds.LEASE, {"spec": {"leaseDurationSeconds": 0}}, ["spec.leaseDurationSeconds"]),
        (kinds.EVENT, {}, ["involvedObject"]),
        (kinds.EVENT, {"involvedObject": {"namespace": "other"}}, ["involvedObject.namespace"]),
        (kinds.POD, {"spec": {"containers": [CONTAINER]}}, []),
        (kinds.POD, {}, ["spec.containers"]),
        (kinds.POD, {"spec": {"containers": [{"name": "c"}]}}, ["spec.containers[0].image"]),
        (kinds.POD, {"spec": {"containers": [CONTAINER, CONTAINER]}}, ["spec.containers[1].name"]),
        (kinds.DEPLOYMENT, {}, ["spec.template"]),
        (
            kinds.DEPLOYMENT,
            {"spec": {"template": {"spec": {"containers": [CONTAINER]}}}},
            ["spec.selector"],
        ),
        (
            kinds.DEPLOYMENT,
            {
                "spec": {
                    "selector": {"matchLabels": {"a": "b"}},
                    "template": {"metadata": {"labels": {"a": "c"}}, "spec": {"containers": [CONTAINER]}},
                }
            },
            ["spec.template.metadata.labels"],
        ),
        (
            kinds.CUSTOM_RESOURCE_DEFINITION,
            {
                "spec": {
                    "group": "g",
                    "names": {"plural": "y", "kind": "Y"},
                    "scope": "Namespaced",
                    "versions": [],
                }
            },
            ["metadata.name", "spec.versions"],
        ),
        (kinds.LINK, {"spec": {"anything": 1}}, []),
    ],
    ids=repr,
)
def test_other_kinds(kind: Kind, body: Raw, fields: list[str]) -> None:
    assert mistakes(kind, **body) == fields


@pytest.mark.parametrize(
    ("kind", "before", "after", "field"),
    [
        (kinds.SECRET, {"type": "Opaque"}, {"type": "x/y"}, "type"),
        (kinds.ENDPOINT_SLICE, {"addressType": "IPv4"}, {"addressType": "IPv6"}, "addressType"),
    ],
)
def test_some_fields_never_change(kind: Kind, before: Raw, after: Raw, field: str) -> None:
    assert mistakes(kind, before, **after) == [field]
