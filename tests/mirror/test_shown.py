"""What stands behind a mirror says why it shows what it shows, and since when."""

from dataclasses import replace

import pytest

from cluster.objects import Endpoints, EndpointSlice, Key, Metadata, SliceEndpoint
from mirror import marks
from mirror.observed import GatewayAddress, Local, Observed, Remote
from mirror.plan import plan
from mirror.ready_endpoints import ReadyEndpoints
from mirror.wanted import wanted
from tests.mirror.make import (
    ALIVE,
    DEAD,
    EMPTY,
    MIRROR,
    NOW,
    PODINFO,
    UNKNOWN,
    applied,
    observed,
    remote,
    service,
)

LATER = "2026-11-26T13:00:00Z"
OTHER = GatewayAddress("203.0.113.8", alive=False)


def after(local: Local, seen: Observed) -> Local:
    return applied(local, plan(seen, wanted(seen)))


def said(local: Local) -> tuple[str, str, str]:
    """Reason, since when and how many; the same on each object behind the mirror."""
    things: list[Endpoints | EndpointSlice] = [local.endpoints[MIRROR], *local.slices.values()]
    found = {
        tuple(thing.metadata.annotations[key] for key in (marks.REASON, marks.SINCE, marks.READY_ENDPOINTS))
        for thing in things
    }
    assert len(things) > 1
    assert len(found) == 1
    reason, since, endpoints = found.pop()
    return reason, since, endpoints


def behind(pods: int) -> Remote:
    return replace(remote(service()), ready={PODINFO: pods} if pods else {})


@pytest.mark.parametrize(
    ("gateway", "pods", "reason"),
    [
        (ALIVE, 3, "Ready"),
        (ALIVE, 0, "NoReadyEndpoints"),
        (DEAD, 0, "NoReadyEndpoints"),
        (DEAD, 3, "GatewayNotAnswering"),
        (UNKNOWN, 3, "GatewayNotProbedYet"),
        ((*ALIVE, OTHER), 3, "Ready"),
        ((*DEAD, replace(OTHER, alive=None)), 3, "GatewayNotProbedYet"),
    ],
)
def test_the_reason_is_what_keeps_connections_from_coming(
    gateway: tuple[GatewayAddress, ...], pods: int, reason: str
) -> None:
    assert said(after(EMPTY, observed(behind(pods), gateway=gateway))) == (reason, NOW, str(pods))


def test_without_an_address_the_endpoints_say_so() -> None:
    local = after(EMPTY, observed(behind(3), gateway=()))
    assert local.endpoints[MIRROR].metadata.annotations[marks.REASON] == "GatewayHasNoAddress"


def test_the_time_is_that_of_the_change_and_nothing_is_written_for_it() -> None:
    local = after(EMPTY, observed(behind(3)))
    later = observed(behind(3), local, now=LATER)
    assert plan(later, wanted(later)) == []
    dead = after(local, observed(behind(3), local, gateway=DEAD, now=LATER))
    assert said(dead) == ("GatewayNotAnswering", LATER, "3")


def test_more_pods_are_told_and_are_no_other_reason() -> None:
    local = after(EMPTY, observed(behind(3)))
    assert said(after(local, observed(behind(4), local, now=LATER))) == ("Ready", NOW, "4")


@pytest.mark.parametrize("known", [ALIVE, DEAD])
def test_a_controller_that_has_just_begun_changes_nothing_of_it(known: tuple[GatewayAddress, ...]) -> None:
    local = after(EMPTY, observed(behind(3), gateway=known))
    begun = observed(behind(3), local, gateway=UNKNOWN, now=LATER)
    assert plan(begun, wanted(begun)) == []


def test_endpoints_of_the_users_beside_the_slices_are_not_where_the_time_is_read() -> None:
    first = after(EMPTY, observed(remote(service())))
    beside = replace(first, endpoints={MIRROR: Endpoints(Metadata("podinfo-east", "test", "users", "5"))})
    later = observed(remote(service()), beside, now=LATER)
    assert plan(later, wanted(later)) == []


def test_what_is_withdrawn_says_so_until_it_is_deleted() -> None:
    local = after(EMPTY, observed(behind(3)))
    gone = observed(remote(), local, now=LATER)
    local = applied(local, plan(gone, wanted(gone)))
    things: list[Endpoints | EndpointSlice] = [local.endpoints[MIRROR], *local.slices.values()]
    for thing in things:
        annotations = thing.metadata.annotations
        assert (annotations[marks.REASON], annotations[marks.SINCE]) == ("Withdrawn", LATER)
        assert marks.READY_ENDPOINTS not in annotations
    again = observed(remote(), local)
    assert plan(again, wanted(again)) == []
    assert said(after(local, observed(behind(3), local))) == ("Ready", NOW, "3")


def part(name: str, *ready: bool, family: str = "IPv4") -> EndpointSlice:
    labels = {marks.SLICE_SERVICE: "podinfo"}
    endpoints = tuple(
        SliceEndpoint((f"10.0.0.{number}",), ready=one) for number, one in enumerate(ready, start=1)
    )
    return EndpointSlice(Metadata(name, "test", labels=labels), family, endpoints)


@pytest.mark.parametrize(
    ("parts", "count"),
    [
        ([part("a", True, True, False)], 2),
        ([part("a", True, True), part("b", True)], 3),
        ([part("a", True, True), part("b", True, True, family="IPv6")], 2),
        ([part("a", True), part("b", True, True, family="IPv6")], 2),
        ([part("a", False), part("b")], 0),
    ],
)
def test_a_pod_counts_once(parts: list[EndpointSlice], count: int) -> None:
    found = ReadyEndpoints().after({Key("test", one.metadata.name): one for one in parts})
    assert found == ({PODINFO: count} if count else {})
