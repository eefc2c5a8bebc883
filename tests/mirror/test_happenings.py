"""What is told as Events of a Link, and of Services that are not mirrored."""

from typing import Any

import pytest

from cluster.event_recorder import Happening
from cluster.objects import Metadata
from mirror.happenings import conflict, skipped, teller, transitions
from mirror.wanted import Unmirrored
from tests.mirror.make import PODINFO, service

LINK = Metadata("east", "jackstay", "link-1", "7")


def status(**conditions: str) -> dict[str, Any]:
    """`Synced="False NotMirrored why"` and the like."""
    found = []
    for name, text in conditions.items():
        said, reason, message = f"{text} ".split(" ", 2)
        found.append({"type": name, "status": said, "reason": reason, "message": message.strip()})
    return {"conditions": found}


def told(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [
        f"{'Warning' if one.warning else 'Normal'} {one.reason} {one.message}"
        for one in transitions(LINK, before, after)
    ]


@pytest.mark.parametrize(
    ("before", "after", "events"),
    [
        ({}, status(Synced="True Synced 3 services"), ["Normal Synced Synced: 3 services"]),
        (status(Synced="True Synced 3"), status(Synced="True Synced 4"), []),
        (
            status(GatewayAlive="True Answering"),
            status(GatewayAlive="False NotAnswering refused"),
            ["Warning GatewayDead NotAnswering: refused"],
        ),
        (
            status(GatewayAlive="False NotAnswering refused"),
            status(GatewayAlive="False NoAddress nowhere"),
            ["Warning GatewayDead NoAddress: nowhere"],
        ),
        (
            status(GatewayAlive="False NotAnswering refused"),
            status(GatewayAlive="False NotAnswering timeout"),
            [],
        ),
        (
            status(RemoteReachable="False Unreachable refused"),
            status(RemoteReachable="True Answering"),
            ["Normal RemoteReachable Answering"],
        ),
        (status(Synced="True Synced"), status(Synced="Unknown RemoteUnreachable since"), []),
        (
            status(CredentialsValid="True Accepted"),
            status(CredentialsValid="False Unauthorized ended"),
            ["Warning CredentialsRefused Unauthorized: ended"],
        ),
        ({"conditions": ["what"]}, status(Synced="True Synced 3"), ["Normal Synced Synced: 3"]),
        ({"conditions": {"type": "Synced"}}, status(Synced="True Synced 3"), ["Normal Synced Synced: 3"]),
    ],
)
def test_each_transition_is_told_once(
    before: dict[str, Any], after: dict[str, Any], events: list[str]
) -> None:
    assert told(before, after) == events
    assert told(after, after) == []


def test_an_event_of_a_link_is_about_that_link() -> None:
    [one] = transitions(LINK, {}, status(Synced="False Conflict in the way"))
    about = one.involved
    assert (about.kind, about.namespace, about.name, about.uid) == ("Link", "jackstay", "east", "link-1")
    assert about.api_version == "multicluster.linkerd.io/v1alpha3"


def test_conflicts_of_two_services_are_two_events() -> None:
    first, second = conflict(LINK, PODINFO, "x"), conflict(LINK, PODINFO._replace(name="web"), "x")
    assert first.key != second.key
    assert first.message == "test/podinfo is not mirrored: x"


@pytest.mark.parametrize(
    ("reason", "message", "said"),
    [
        ("MissingNamespace", "Namespace does not exist", "namespace does not exist"),
        ("InvalidService", "object spec has no exposed ports", "object spec has no exposed ports"),
    ],
)
def test_what_is_skipped_is_said_as_linkerd_says_it(reason: str, message: str, said: str) -> None:
    one: Happening = skipped(service(), Unmirrored(reason, message))
    assert one.reason == "ServiceMirroringSkipped"
    assert one.message == f"Skipped mirroring service: {said}"
    assert not one.warning
    assert (one.involved.kind, one.involved.name, one.involved.uid) == ("Service", "podinfo", "uid-podinfo")
    assert teller("east") == "linkerd-service-mirror-east"
