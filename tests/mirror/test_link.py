"""A Link read: what it means, and all that is wrong with it at once."""

from typing import Any

import pytest

from mirror import marks
from mirror.link import InvalidLink, ProbeSpec, keeps_mirrors, parse
from tests.mirror.make import IDENTITY, IP, LINK, link


def test_a_link_as_the_command_prints_it() -> None:
    assert parse(link()) == LINK


def test_numbers_are_texts_or_numbers_and_durations_have_units() -> None:
    probe = {"path": "/up", "port": 4191, "period": "1m30s", "timeout": "500ms", "failureThreshold": "5"}
    spec = parse(link(probeSpec=probe, gatewayPort=443))
    assert spec.gateway_port == 443
    assert spec.probe == ProbeSpec("/up", 4191, 90.0, 0.5, 5)


def test_what_is_not_said_has_linkerds_default() -> None:
    spec = parse(link(probeSpec={"path": "/ready"}, gatewayPort=None, targetClusterDomain=None), domain="x.y")
    assert spec.probe == ProbeSpec("/ready", 4191, 3.0, 30.0, 3)
    assert (spec.gateway_port, spec.domain) == (4143, "x.y")


def test_a_probe_never_lasts_longer_than_until_the_next() -> None:
    assert ProbeSpec(period=3.0, timeout=30.0).patience == 3.0
    assert ProbeSpec(period=3.0, timeout=1.0).patience == 1.0


def test_addresses_are_trimmed_and_each_there_once() -> None:
    written = f" {IP}, gw.example.com ,, GW.example.com,{IP}, 2001:DB8:0::1"
    assert parse(link(gatewayAddress=written)).gateways == (IP, "gw.example.com", "2001:db8::1")


@pytest.mark.parametrize("said", ["", None])
def test_a_link_without_gateway_is_one(said: str | None) -> None:
    spec = parse(link(gatewayAddress=said, gatewayIdentity=None))
    assert (spec.gateways, spec.probe) == ((), None)


def test_without_a_path_there_is_no_probe() -> None:
    assert parse(link(probeSpec={})).probe is None


def test_what_annotations_say() -> None:
    spec = parse(
        link(
            annotations={
                marks.NAMESPACES: "test, web",
                marks.COPIED_KEYS: "helm.sh/*",
                marks.GATEWAY_PROTOCOL: "transport.l5d.io/v1",
                marks.REMOTE_UID: "uid-1",
            }
        )
    )
    assert spec.namespaces == {"test", "web"}
    assert spec.copied_keys == ("helm.sh/*",)
    assert spec.protocol == "transport.l5d.io/v1"
    assert spec.remote_uid == "uid-1"


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"targetClusterName": ""}, "targetClusterName"),
        ({"targetClusterName": "East"}, "targetClusterName"),
        ({"targetClusterName": "e" * 51}, "targetClusterName"),
        ({"targetClusterName": 7}, "targetClusterName"),
        ({"targetClusterDomain": "no domain"}, "targetClusterDomain"),
        ({"clusterCredentialsSecret": None}, "clusterCredentialsSecret"),
        ({"gatewayPort": "0"}, "gatewayPort"),
        ({"gatewayPort": "65536"}, "gatewayPort"),
        ({"gatewayPort": "4143x"}, "gatewayPort"),
        ({"gatewayPort": True}, "gatewayPort"),
        ({"gatewayAddress": "127.0.0.1"}, "loopback"),
        ({"gatewayAddress": "::ffff:169.254.169.254"}, "link-local"),
        ({"gatewayAddress": "0.0.0.0"}, "unspecified"),
        ({"gatewayAddress": "no host"}, "gatewayAddress"),
        ({"gatewayIdentity": ""}, "gatewayIdentity"),
        ({"gatewayIdentity": "*.example.com"}, "gatewayIdentity"),
        ({"probeSpec": []}, "probeSpec"),
        ({"probeSpec": {"path": "ready"}}, "probeSpec.path"),
        ({"probeSpec": {"path": "/", "period": "0s"}}, "probeSpec.period"),
        ({"probeSpec": {"path": "/", "period": "3"}}, "probeSpec.period"),
        ({"probeSpec": {"path": "/", "period": "-3s"}}, "probeSpec.period"),
        ({"probeSpec": {"path": "/", "timeout": "2h"}}, "probeSpec.timeout"),
        ({"probeSpec": {"path": "/", "failureThreshold": "0"}}, "failureThreshold"),
        ({"selector": {"matchExpressions": [{"key": "a", "operator": "Has"}]}}, "selector"),
        ({"excludedLabels": "tier"}, "excludedLabels"),
        ({"annotations": {marks.GATEWAY_PROTOCOL: "h2"}}, marks.GATEWAY_PROTOCOL),
    ],
)
def test_a_mistake_is_named(spec: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidLink) as refused:
        parse(link(**spec))
    assert len(refused.value.mistakes) == 1
    assert named in str(refused.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(InvalidLink) as refused:
        parse(link(targetClusterName="", gatewayPort="x", gatewayAddress="127.0.0.1", excludedLabels=1))
    assert len(refused.value.mistakes) == 4


def test_a_gateway_on_this_machine_is_for_the_demo() -> None:
    assert parse(link(gatewayAddress="127.0.0.1"), allow_loopback=True).gateways == ("127.0.0.1",)


def test_the_identity_is_read_as_certificates_are() -> None:
    assert parse(link(gatewayIdentity=f" {IDENTITY.upper()} ")).gateway_identity == IDENTITY


def test_mirrors_are_kept_only_if_the_link_says_true() -> None:
    assert keeps_mirrors(link(annotations={marks.KEEP_MIRRORS: "true"}))
    assert not keeps_mirrors(link(annotations={marks.KEEP_MIRRORS: "yes"}))
    assert not keeps_mirrors(link())
