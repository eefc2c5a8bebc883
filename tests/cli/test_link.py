"""The manifests of a link, and what is said when something for them is missing."""

import base64
from dataclasses import replace
from typing import Any

import pytest
import yaml

from cli.errors import CliError
from cli.link import Wanted, manifests, only_from_here
from cli.manifests import as_json, as_yaml, gateway_service
from cluster.objects import Metadata, Service, ServicePort

IDENTITY = "jackstay-gateway.jackstay.serviceaccount.identity.jackstay.east.jackstay"
EAST = Wanted(cluster_name="east")
GATEWAY = replace(Service.from_dict(gateway_service("jackstay", IDENTITY)), ingress=("203.0.113.7",))


def link_spec(wanted: Wanted = EAST, gateway: Service = GATEWAY) -> dict[str, Any]:
    spec: dict[str, Any] = manifests(wanted, gateway, b"kubeconfig")[1]["spec"]
    return spec


def annotated(**annotations: str) -> Service:
    """The gateway's Service with other values under `mirror.linkerd.io/` (underscores for hyphens)."""
    changed = {f"mirror.linkerd.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
    metadata = GATEWAY.metadata
    return replace(GATEWAY, metadata=replace(metadata, annotations={**metadata.annotations, **changed}))


def test_the_link_says_where_the_gateway_is_and_who_it_must_be() -> None:
    assert link_spec() == {
        "targetClusterName": "east",
        "targetClusterDomain": "cluster.local",
        "targetClusterLinkerdNamespace": "jackstay",
        "clusterCredentialsSecret": "cluster-credentials-east",
        "gatewayAddress": "203.0.113.7",
        "gatewayPort": "4143",
        "gatewayIdentity": IDENTITY,
        "probeSpec": {"path": "/ready", "port": "4191", "period": "3s"},
        "selector": {"matchLabels": {"mirror.linkerd.io/exported": "true"}},
        "remoteDiscoverySelector": {"matchLabels": {"mirror.linkerd.io/exported": "remote-discovery"}},
        "federatedServiceSelector": {"matchLabels": {"mirror.linkerd.io/federated": "member"}},
    }


def test_the_secret_holds_the_kubeconfig_where_the_link_looks_for_it() -> None:
    secret, link = manifests(EAST, GATEWAY, b"kubeconfig")
    assert secret["metadata"]["name"] == link["spec"]["clusterCredentialsSecret"]
    assert secret["metadata"]["namespace"] == link["metadata"]["namespace"] == "jackstay"
    assert secret["type"] == "mirror.linkerd.io/remote-kubeconfig"
    assert base64.b64decode(secret["data"]["kubeconfig"]) == b"kubeconfig"


def test_the_command_line_wins_over_the_service() -> None:
    wanted = replace(EAST, gateway_addresses=("gw.example.com", "2001:DB8::1"), gateway_port=443)
    spec = link_spec(wanted)
    assert (spec["gatewayAddress"], spec["gatewayPort"]) == ("gw.example.com,2001:db8::1", "443")


def test_a_node_port_service_is_reached_at_its_node_ports() -> None:
    ports = tuple(replace(port, node_port=30000 + port.port) for port in GATEWAY.ports)
    spec = link_spec(gateway=replace(GATEWAY, type="NodePort", ports=ports))
    assert (spec["gatewayPort"], spec["probeSpec"]["port"]) == ("34143", "34191")


@pytest.mark.parametrize(("annotation", "period"), [("60", "60s"), ("1m30s", "1m30s"), ("500ms", "500ms")])
def test_a_period_is_seconds_or_a_duration(annotation: str, period: str) -> None:
    assert link_spec(gateway=annotated(probe_period=annotation))["probeSpec"]["period"] == period


def test_an_empty_selector_is_left_out() -> None:
    assert "remoteDiscoverySelector" not in link_spec(replace(EAST, remote_discovery_selector=""))


def test_exclusions_are_passed_on() -> None:
    spec = link_spec(replace(EAST, excluded_labels=("team",), excluded_annotations=("example.com/*",)))
    assert (spec["excludedLabels"], spec["excludedAnnotations"]) == (["team"], ["example.com/*"])


@pytest.mark.parametrize(
    ("wanted", "gateway", "says"),
    [
        (replace(EAST, cluster_name="East!"), GATEWAY, "--cluster-name 'East!'"),
        (EAST, replace(GATEWAY, ingress=()), "no address yet"),
        (replace(EAST, gateway_addresses=("a b",)), GATEWAY, "neither an IP address nor a host name"),
        (EAST, replace(GATEWAY, ports=(ServicePort(4143, "mc-gateway"),)), "no port named mc-probe"),
        (
            EAST,
            replace(GATEWAY, metadata=Metadata("g", "jackstay")),
            "no annotation mirror.linkerd.io/gateway-identity",
        ),
        (EAST, annotated(gateway_identity="east.example.com"), "is not an identity"),
        (EAST, annotated(probe_period="soon"), "neither a number of seconds nor a duration"),
        (EAST, annotated(probe_path="ready"), "is no path"),
        (replace(EAST, selector="a in b"), GATEWAY, "no part of a label selector"),
    ],
)
def test_what_is_missing_is_said(wanted: Wanted, gateway: Service, says: str) -> None:
    with pytest.raises(CliError, match=says):
        manifests(wanted, gateway, b"kubeconfig")


def test_both_forms_hold_the_same_objects() -> None:
    made = manifests(EAST, GATEWAY, b"kubeconfig")
    assert list(yaml.safe_load_all(as_yaml(made))) == list(made)
    assert as_json(made).count('"apiVersion"') == 2


def test_addresses_that_lead_nowhere_from_another_cluster_are_named() -> None:
    sentences = list(only_from_here("https://127.0.0.1:6443", ("203.0.113.7", "::1")))
    assert sentences == [
        "no other machine reaches the API server at 127.0.0.1: say where it does, with --api-server-address",
        "no other machine reaches the gateway at ::1: say where it does, with --gateway-addresses",
    ]
    assert list(only_from_here("https://localhost:6443", ())) != []
    assert list(only_from_here("https://[2001:db8::1]:6443", ("gw.example.com",))) == []
