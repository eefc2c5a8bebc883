"""What an outbound proxy offers, from the mirrors in its cluster."""

from dataclasses import replace
from typing import Any

import pytest

from cluster.objects import Endpoints, Metadata, Service, ServicePort
from gateway.routes import Target, TargetTable
from mirror import marks
from mirror.link import Door, doors
from mirror.observed import GatewayAddress
from mirror.plan import plan
from mirror.targets import targets
from mirror.wanted import wanted
from process.address import Address
from tests.mirror.make import (
    ALIVE,
    DEAD,
    EMPTY,
    IDENTITY,
    IP,
    LINK,
    MIRROR,
    applied,
    link,
    observed,
    remote,
    service,
)

AT = Address("10.2.0.1", 9898)
TARGET = Target("podinfo.test.svc.cluster.local", 9898, (Address(IP, 4143),), IDENTITY, "east")


DOOR = Door(LINK.uid, LINK.cluster, IDENTITY)


def mirrored(gateway: tuple[GatewayAddress, ...] = ALIVE) -> tuple[Service, Endpoints]:
    seen = observed(remote(service()), gateway=gateway)
    local = applied(EMPTY, plan(seen, wanted(seen)))
    return local.services[MIRROR], local.endpoints[MIRROR]


def offered(found: Service, endpoints: Endpoints, door: Door = DOOR) -> TargetTable:
    return targets([found], [endpoints], {door.uid: door})


def test_a_mirror_is_a_target_at_its_own_address() -> None:
    assert offered(*mirrored()) == TargetTable.of({AT: TARGET})


def test_a_dead_gateways_address_is_none() -> None:
    assert offered(*mirrored(gateway=DEAD)).find(AT) == replace(TARGET, gateways=())


def test_without_endpoints_there_is_no_gateway() -> None:
    found, _ = mirrored()
    assert targets([found], [], {DOOR.uid: DOOR}).find(AT) == replace(TARGET, gateways=())


def test_the_identity_is_the_links_whatever_the_endpoints_say() -> None:
    found, endpoints = mirrored()
    lying = {**endpoints.metadata.annotations, marks.GATEWAY_IDENTITY: "evil.example.com"}
    forged = replace(endpoints, metadata=replace(endpoints.metadata, annotations=lying))
    assert offered(found, forged).find(AT) == TARGET


def test_the_protocol_is_the_links() -> None:
    found = offered(*mirrored(), replace(DOOR, protocol="transport.l5d.io/v1")).find(AT)
    assert found == replace(TARGET, protocol="transport.l5d.io/v1")


def relabelled(found: Service, **changes: Any) -> Service:
    return replace(found, metadata=replace(found.metadata, **changes))


MADE, _ = mirrored()


@pytest.mark.parametrize(
    "other",
    [
        relabelled(MADE, labels={}),
        relabelled(MADE, labels={**MADE.metadata.labels, marks.LINK_UID: "link-2"}),
        relabelled(MADE, labels={**MADE.metadata.labels, marks.MIRRORED_SERVICE: "false"}),
        relabelled(MADE, annotations={}),
        relabelled(MADE, annotations={marks.REMOTE_NAME: "secret.other.svc.cluster.local"}),
        relabelled(MADE, name="mine"),
        replace(MADE, cluster_ip="None"),
        replace(MADE, cluster_ip=""),
        replace(MADE, ports=(ServicePort(53, "dns", "UDP"),)),
    ],
)
def test_what_is_no_mirror_of_a_link_is_no_target(other: Service) -> None:
    assert not offered(other, mirrored()[1]).targets


def test_a_link_without_gateway_offers_nothing() -> None:
    assert not offered(*mirrored(), replace(DOOR, gateway_identity="")).targets


def test_of_two_links_that_call_their_clusters_the_same_it_is_the_mirrors_own() -> None:
    found, endpoints = mirrored()
    other = Door("link-2", LINK.cluster, "other.identity")
    for known in ({LINK.uid: DOOR, other.uid: other}, {other.uid: other, LINK.uid: DOOR}):
        assert targets([found], [endpoints], known).find(AT) == TARGET


@pytest.mark.parametrize(
    "mistaken",
    [
        {"probeSpec": {"period": "often"}},
        {"gatewayAddress": "127.0.0.1"},
        {"selector": {"matchExpressions": "all"}},
        {"clusterCredentialsSecret": None},
    ],
)
def test_a_mistake_that_does_not_concern_the_data_path_is_none_to_it(mistaken: dict[str, Any]) -> None:
    assert doors([link(**mistaken)], {}) == {DOOR.uid: DOOR}


@pytest.mark.parametrize(
    "mistaken",
    [
        {"gatewayIdentity": None},
        {"gatewayIdentity": "no name!"},
        {"targetClusterName": "No Name"},
        {"annotations": {marks.GATEWAY_PROTOCOL: "h2"}},
    ],
)
def test_a_mistake_that_does_changes_nothing_either(mistaken: dict[str, Any]) -> None:
    assert doors([link(**mistaken)], {}) == {}
    assert doors([link(**mistaken)], {DOOR.uid: DOOR}) == {DOOR.uid: DOOR}
    assert doors([], {DOOR.uid: DOOR}) == {}


def test_endpoints_that_no_mirror_made_lead_nowhere() -> None:
    found, endpoints = mirrored()
    theirs = replace(endpoints, metadata=Metadata(MIRROR.name, MIRROR.namespace))
    assert offered(found, theirs).find(AT) == replace(TARGET, gateways=())
