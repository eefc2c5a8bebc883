"""The plan: what is done in which situation, and that it is then done."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, SERVICE
from cluster.objects import Endpoints, EndpointSlice, Key, Metadata, Service, ServicePort, Subset
from mirror import marks
from mirror.mirror_objects import Mirror
from mirror.observed import GatewayAddress, Local, Observed
from mirror.plan import Action, plan, plan_some, removal
from mirror.selectors import Selector
from mirror.wanted import Unmirrored, wanted
from tests.mirror.make import (
    ALIVE,
    DEAD,
    EMPTY,
    IDENTITY,
    IP,
    LINK,
    MIRROR,
    NOW,
    PODINFO,
    UNKNOWN,
    addresses,
    applied,
    in_slices,
    observed,
    remote,
    service,
)

EXPORTED = remote(service())
MIRRORED = applied(EMPTY, plan(observed(EXPORTED), wanted(observed(EXPORTED))))
"""Our cluster once podinfo is mirrored."""


def planned(seen: Observed, removable: frozenset[Key] = frozenset()) -> list[Action]:
    return plan(seen, wanted(seen), removable)


def told(actions: list[Action]) -> list[str]:
    """The actions as `Create Service test/podinfo-east`."""
    return [f"{type(act).__name__} {act.kind.kind} {act.object.metadata.key}" for act in actions]


def carried_out(seen: Observed, removable: frozenset[Key] = frozenset()) -> Local:
    """Our cluster after the plan, of which the next plan finds nothing to do."""
    local = applied(seen.local, planned(seen, removable))
    assert planned(replace(seen, local=local), removable) == []
    return local


ALL = ["Service test/podinfo-east", "Endpoints test/podinfo-east", "EndpointSlice test/podinfo-east-ipv4"]


@dataclass(frozen=True)
class Case:
    name: str
    seen: Observed
    actions: list[str]


CREATE = [f"Create {what}" for what in ALL]
UPDATE = [f"Update {what}" for what in ALL]
NEVER = remote(service(exported=False, labels={marks.EXPORTED: "false"}))
DISCOVERY = replace(LINK, discovery_selector=Selector({"app": "podinfo"}))

CASES = [
    Case("nothing anywhere", observed(remote()), []),
    Case("newly exported", observed(EXPORTED), CREATE),
    Case("already so", observed(EXPORTED, MIRRORED), []),
    Case("not exported", observed(remote(service(exported=False))), []),
    Case("exported by another word", observed(NEVER), []),
    Case("no verdict yet", observed(EXPORTED, MIRRORED, gateway=UNKNOWN), []),
    Case("gateway died", observed(EXPORTED, MIRRORED, gateway=DEAD), UPDATE[1:]),
    Case("no endpoint ready", observed(remote(service(), ready=False), MIRRORED), UPDATE[1:]),
    Case("changed over there", observed(remote(service(version="8")), MIRRORED), UPDATE[:1]),
    Case("withdrawn", observed(remote(service(exported=False)), MIRRORED), UPDATE[1:]),
    Case("gone over there", observed(remote(), MIRRORED), UPDATE[1:]),
    Case("no such namespace here", observed(EXPORTED, replace(EMPTY, namespaces=frozenset())), []),
    Case("without gateway", observed(EXPORTED, link=replace(LINK, gateways=())), []),
    Case("for a flat network", observed(EXPORTED, link=DISCOVERY), []),
    Case("in no listed namespace", observed(EXPORTED, link=replace(LINK, namespaces=frozenset({"web"}))), []),
    Case("unreadable over there", observed(remote(unreadable=frozenset({PODINFO})), MIRRORED), []),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_plan(case: Case) -> None:
    assert told(planned(case.seen)) == case.actions
    carried_out(case.seen)


def test_a_mirror_has_the_labels_annotations_and_ports_of_the_reference() -> None:
    seen = observed(remote(service(labels={"tier": "web", "helm.sh/chart": "x"}, annotations={"note": "y"})))
    local = carried_out(seen)
    mirror = local.services[MIRROR]
    marked = {
        marks.MIRRORED_SERVICE: "true",
        marks.CLUSTER_NAME: "east",
        marks.LINK_UID: "link-1",
        "app": "podinfo",
        "tier": "web",
    }
    named = {marks.REMOTE_NAME: "podinfo.test.svc.cluster.local"}
    assert mirror.metadata.labels == marked
    assert mirror.metadata.annotations == {**named, "note": "y", marks.REMOTE_VERSION: "7"}
    assert mirror.ports == (ServicePort(9898, "http", target_port=9898),)
    assert (mirror.type, mirror.selector, mirror.external_name) == ("ClusterIP", {}, "")
    endpoints = local.endpoints[MIRROR]
    assert endpoints.metadata.labels == {**marked, marks.SKIP_MIRROR: "true"}
    said = {marks.READY_ENDPOINTS: "1", marks.REASON: "Ready", marks.SINCE: NOW}
    assert endpoints.metadata.annotations == {**named, marks.GATEWAY_IDENTITY: IDENTITY, **said}
    assert [(port.name, port.port, port.protocol) for port in endpoints.subsets[0].ports] == [
        ("http", 4143, "TCP")
    ]
    part = local.slices[Key("test", "podinfo-east-ipv4")]
    assert part.metadata.labels[marks.SLICE_SERVICE] == "podinfo-east"
    assert part.metadata.labels[marks.SLICE_MANAGER] == "mirror.jackstay.io"
    assert [(port.name, port.port) for port in part.ports] == [("http", 4143)]


def test_the_gateways_identity_is_the_links_whatever_the_service_says() -> None:
    lying = remote(service(annotations={marks.GATEWAY_IDENTITY: "evil.example.com"}))
    local = carried_out(observed(lying))
    assert local.endpoints[MIRROR].metadata.annotations[marks.GATEWAY_IDENTITY] == IDENTITY
    assert marks.GATEWAY_IDENTITY not in local.services[MIRROR].metadata.annotations


def test_readiness_is_per_address_and_per_family() -> None:
    gateway = (
        GatewayAddress("203.0.113.7", alive=True),
        GatewayAddress("203.0.113.8", alive=False),
        GatewayAddress("2001:db8::1", alive=True),
    )
    local = carried_out(observed(EXPORTED, gateway=gateway))
    assert addresses(local) == (["203.0.113.7", "2001:db8::1"], ["203.0.113.8"])
    assert in_slices(local) == {"203.0.113.7": True, "203.0.113.8": False, "2001:db8::1": True}
    assert sorted(part.address_type for part in local.slices.values()) == ["IPv4", "IPv6"]


def test_nothing_ready_is_invented_before_the_first_verdict() -> None:
    assert addresses(carried_out(observed(EXPORTED, gateway=UNKNOWN))) == ([], [IP])


@pytest.mark.parametrize("gateway", [ALIVE, DEAD])
def test_after_a_restart_readiness_stays_until_there_is_a_verdict(
    gateway: tuple[GatewayAddress, ...],
) -> None:
    local = carried_out(observed(EXPORTED, gateway=gateway))
    assert planned(observed(EXPORTED, local, gateway=UNKNOWN)) == []  # D-02


def test_an_address_that_the_gateway_has_left_goes_with_its_slice() -> None:
    moved = (GatewayAddress("2001:db8::1", alive=True),)
    local = carried_out(observed(EXPORTED, MIRRORED, gateway=moved))
    assert addresses(local) == (["2001:db8::1"], [])
    assert in_slices(local) == {"2001:db8::1": True}


@pytest.mark.parametrize(
    "edited",
    [
        lambda mirror: replace(mirror, ports=(ServicePort(1, "http"),)),
        lambda mirror: replace(mirror, selector={"app": "evil"}),
        lambda mirror: replace(mirror, type="LoadBalancer"),
        lambda mirror: replace(mirror, type="ExternalName", external_name="evil.example.com"),
        lambda mirror: relabelled(mirror, {"added": "x"}),
        lambda mirror: relabelled(mirror, {marks.MIRRORED_SERVICE: None}),
        lambda mirror: relabelled(mirror, {marks.CLUSTER_NAME: "west"}),
        lambda mirror: relabelled(mirror, {marks.LINK_UID: None}),
        lambda mirror: replace(mirror, metadata=replace(mirror.metadata, annotations={})),
    ],
)  # fmt: skip
def test_what_was_edited_by_hand_is_mended(edited: Callable[[Service], Service]) -> None:
    local = replace(MIRRORED, services={MIRROR: edited(MIRRORED.services[MIRROR])})
    assert carried_out(observed(EXPORTED, local)).services[MIRROR].ports == MIRRORED.services[MIRROR].ports
    mended = carried_out(observed(EXPORTED, local)).services[MIRROR]
    assert mended.metadata.labels == MIRRORED.services[MIRROR].metadata.labels
    assert mended.cluster_ip == "10.2.0.1"


def relabelled(thing: Any, labels: dict[str, str | None]) -> Any:
    joined = {**thing.metadata.labels, **labels}
    kept = {key: value for key, value in joined.items() if value is not None}
    return replace(thing, metadata=replace(thing.metadata, labels=kept))


def test_what_a_tool_puts_on_a_mirror_is_left_there() -> None:
    local = replace(
        MIRRORED, services={MIRROR: relabelled(MIRRORED.services[MIRROR], {"argocd.argoproj.io/x": "y"})}
    )
    assert planned(observed(EXPORTED, local)) == []


@pytest.mark.parametrize(
    "left",
    [replace(MIRRORED, services={}), replace(MIRRORED, endpoints={}), replace(MIRRORED, slices={})],
)
def test_what_was_deleted_by_hand_comes_back(left: Local) -> None:
    local = carried_out(observed(EXPORTED, left))
    assert (len(local.services), len(local.endpoints), len(local.slices)) == (1, 1, 1)
    assert owners(local) == {local.services[MIRROR].metadata.uid}


def test_what_is_left_of_a_mirror_belongs_to_the_service_that_is_made_anew() -> None:
    nobodys = replace(MIRRORED.endpoints[MIRROR].metadata, owner_references=())
    endpoints = replace(MIRRORED.endpoints[MIRROR], metadata=nobodys)
    local = carried_out(observed(EXPORTED, replace(MIRRORED, services={}, endpoints={MIRROR: endpoints})))
    assert owners(local) == {local.services[MIRROR].metadata.uid}


def owners(local: Local) -> set[str]:
    """The uids of what the Endpoints and the slices belong to."""
    behind: tuple[Endpoints | EndpointSlice, ...] = (*local.endpoints.values(), *local.slices.values())
    return {owner.uid for thing in behind for owner in thing.metadata.owner_references}


def test_what_stands_behind_a_mirror_belongs_to_it() -> None:
    assert owners(MIRRORED) == {MIRRORED.services[MIRROR].metadata.uid}


def test_endpoints_that_are_ours_no_more_cost_the_mirror_nothing() -> None:
    """Somebody has taken our labels from them: they are left alone, and so is the Service."""
    theirs = relabelled(MIRRORED.endpoints[MIRROR], {marks.LINK_UID: None, marks.MIRRORED_SERVICE: None})
    local = replace(MIRRORED, endpoints={MIRROR: theirs})
    for gateway in (ALIVE, UNKNOWN):
        assert planned(observed(EXPORTED, local, gateway=gateway), frozenset({MIRROR})) == []
    found = wanted(observed(EXPORTED, local)).services[PODINFO]
    assert isinstance(found, Mirror)
    assert found.conflict == "Endpoints test/podinfo-east exists and was not made by Link east"
    assert in_slices(carried_out(observed(EXPORTED, local, gateway=DEAD))) == {IP: False}


def test_a_slice_of_another_link_in_the_place_of_ours_is_told_and_not_touched() -> None:
    key = Key("test", "podinfo-east-ipv4")
    theirs = relabelled(MIRRORED.slices[key], {marks.LINK_UID: "link-2"})
    seen = observed(EXPORTED, replace(MIRRORED, slices={key: theirs}), others=frozenset({"link-2"}))
    assert planned(seen) == []
    found = wanted(seen).services[PODINFO]
    assert isinstance(found, Mirror)
    assert "EndpointSlice test/podinfo-east-ipv4 exists" in found.conflict


def test_a_slice_that_a_former_link_left_behind_leads_nowhere_once_the_gateway_has_left_its_family() -> None:
    both = (*ALIVE, GatewayAddress("2001:db8::1", alive=True))
    former = replace(LINK, uid="link-0")
    local = carried_out(observed(EXPORTED, gateway=both, link=former))
    local = carried_out(observed(EXPORTED, local, gateway=ALIVE))
    left = local.slices[Key("test", "podinfo-east-ipv6")]
    assert left.endpoints == ()
    assert left.metadata.labels[marks.LINK_UID] == "link-0"
    assert local.slices[Key("test", "podinfo-east-ipv4")].metadata.labels[marks.LINK_UID] == LINK.uid


def test_what_is_withdrawn_is_emptied_before_anything_is_made() -> None:
    new = [service(f"new-{number}") for number in range(3)]
    seen = observed(remote(*new), MIRRORED)
    desired = wanted(seen)
    found = plan_some(seen, desired, desired.mirrors.keys(), most=2)
    assert [action.mirror.name for action in found.actions[:2]] == ["podinfo-east", "podinfo-east"]
    assert len({action.mirror for action in found.actions}) == 3
    assert len(found.left) == 1


def test_a_mirror_that_is_held_takes_nobodys_turn_and_is_looked_at_all_the_same() -> None:
    new = [service(f"new-{number}") for number in range(3)]
    seen = observed(remote(*new))
    desired = wanted(seen)
    first, second, third = desired.mirrors
    found = plan_some(seen, desired, desired.mirrors.keys(), held={first}, most=1)
    assert {action.mirror for action in found.actions} == {first, second}
    assert found.left == {third}
    there = replace(seen, local=applied(EMPTY, plan(seen, desired)))
    again = plan_some(there, wanted(there), {first}, held={first}, most=1)
    assert (again.actions, again.left) == ([], frozenset())


def test_what_could_not_be_deleted_takes_no_more_connections() -> None:
    seen = observed(remote(service(exported=False)), MIRRORED)
    removable = frozenset({MIRROR})
    first = plan(seen, wanted(seen), removable, failing=removable)
    assert told(first) == UPDATE[1:]
    emptied = replace(seen, local=applied(MIRRORED, first))
    assert told(plan(emptied, wanted(emptied), removable, failing=removable)) == [
        f"Delete {it}" for it in ALL
    ]


def test_a_port_added_over_there_is_added_here() -> None:
    two = (ServicePort(9898, "http"), ServicePort(9999, "grpc", app_protocol="h2c"))
    local = carried_out(observed(remote(service(ports=two, version="8")), MIRRORED))
    assert [port.name for port in local.services[MIRROR].ports] == ["http", "grpc"]
    assert [port.port for port in local.endpoints[MIRROR].subsets[0].ports] == [4143, 4143]


USERS = Service(Metadata("podinfo-east", "test", "users", "5", labels={"app": "mine"}), (ServicePort(80),))


def test_a_service_of_the_users_with_the_mirrors_name_is_a_conflict_and_not_touched() -> None:
    seen = observed(EXPORTED, replace(EMPTY, services={MIRROR: USERS}))
    assert planned(seen) == []
    found = wanted(seen).services[PODINFO]
    assert isinstance(found, Unmirrored)
    assert found.reason == "Conflict"


def test_endpoints_of_the_users_with_the_mirrors_name_are_not_touched() -> None:
    theirs = Endpoints(Metadata("podinfo-east", "test", "users", "5"), (Subset(),))
    assert planned(observed(EXPORTED, replace(EMPTY, endpoints={MIRROR: theirs}))) == []


def test_a_mirror_of_another_link_is_not_touched() -> None:
    other = replace(LINK, uid="link-2")
    seen = observed(EXPORTED, MIRRORED, link=other, others=frozenset({"link-1"}))
    assert planned(seen) == []
    assert isinstance(wanted(seen).services[PODINFO], Unmirrored)


@pytest.mark.parametrize("uid", [None, "a link that is no more"])
def test_a_mirror_that_no_link_owns_any_more_is_taken_over(uid: str | None) -> None:
    left = replace(MIRRORED, services={MIRROR: relabelled(MIRRORED.services[MIRROR], {marks.LINK_UID: uid})})
    assert carried_out(observed(EXPORTED, left)).services[MIRROR].metadata.labels[marks.LINK_UID] == "link-1"


def test_a_copy_of_a_mirror_under_another_name_is_the_users() -> None:
    mirror = MIRRORED.services[MIRROR]
    copy = replace(mirror, metadata=replace(mirror.metadata, name="mine", uid="copy"))
    local = replace(MIRRORED, services={**MIRRORED.services, Key("test", "mine"): copy})
    everything = frozenset({MIRROR, Key("test", "mine")})
    assert planned(observed(EXPORTED, local), everything) == []
    assert [action.object.metadata.name for action in removal(local, "link-1")].count("mine") == 0


def test_a_copy_of_a_slice_under_another_name_is_the_users() -> None:
    part = MIRRORED.slices[Key("test", "podinfo-east-ipv4")]
    copy = replace(part, metadata=replace(part.metadata, name="mine", uid="copy", owner_references=()))
    local = replace(MIRRORED, slices={**MIRRORED.slices, Key("test", "mine"): copy})
    assert planned(observed(EXPORTED, local)) == []
    assert copy not in [action.object for action in removal(local, "link-1")]
    left = carried_out(observed(remote(), local), frozenset({MIRROR}))
    assert list(left.slices.values()) == [copy]


def test_what_is_withdrawn_and_removable_is_deleted_with_all_that_belongs_to_it() -> None:
    seen = observed(remote(service(exported=False)), MIRRORED)
    assert told(planned(seen, frozenset({MIRROR}))) == [f"Delete {what}" for what in ALL]
    assert carried_out(seen, frozenset({MIRROR})) == EMPTY


def test_what_is_withdrawn_and_not_removable_takes_no_more_connections() -> None:
    local = carried_out(observed(remote(), MIRRORED))
    assert addresses(local) == ([], [])
    assert in_slices(local) == {}
    assert MIRROR in local.services
    assert (
        carried_out(observed(EXPORTED, local)).endpoints[MIRROR].subsets == MIRRORED.endpoints[MIRROR].subsets
    )


def test_endpoints_whose_service_is_gone_go_too() -> None:
    left = replace(MIRRORED, services={})
    assert carried_out(observed(remote(), left), frozenset({MIRROR})) == EMPTY


def test_another_cluster_than_before_withdraws_nothing() -> None:
    seen = observed(remote(cluster_uid="new"), MIRRORED, link=replace(LINK, remote_uid="old"))
    assert planned(seen, frozenset({MIRROR})) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ports": ()}, "InvalidService"),
        ({"type": "ExternalName", "external_name": "x.y"}, "InvalidService"),
        ({"labels": {marks.MIRRORED_SERVICE: "true"}}, "InvalidService"),
    ],
)
def test_what_cannot_be_mirrored_says_why(change: dict[str, Any], reason: str) -> None:
    found = wanted(observed(remote(service(**change)))).services[PODINFO]
    assert isinstance(found, Unmirrored)
    assert found.reason == reason


def test_a_headless_service_is_mirrored_with_an_address() -> None:
    local = carried_out(observed(remote(service(cluster_ip="None"))))
    assert local.services[MIRROR].cluster_ip == "10.2.0.1"


def test_a_link_makes_no_more_mirrors_than_it_may_and_keeps_those_it_has() -> None:
    names = [f"service-{number}" for number in range(5)]
    first = carried_out(observed(remote(service(names[3])), most=2))
    seen = observed(remote(*map(service, names)), first, most=2)
    found = wanted(seen).services
    mirrored = [key.name for key, what in found.items() if isinstance(what, Mirror)]
    assert mirrored == ["service-0", "service-3"]
    assert all(
        isinstance(what, Unmirrored) and what.reason == "Error"
        for key, what in found.items()
        if key.name not in mirrored
    )


def test_everything_that_a_link_made_is_removed_and_nothing_else() -> None:
    local = replace(
        MIRRORED,
        services={
            **MIRRORED.services,
            Key("test", "mine"): replace(USERS, metadata=replace(USERS.metadata, name="mine")),
        },
    )
    assert told(removal(local, "link-1")) == [f"Delete {what}" for what in ALL]
    assert removal(local, "link-2") == []


def test_a_slice_of_the_wrong_family_is_made_anew() -> None:
    key = Key("test", "podinfo-east-ipv4")
    wrong = replace(MIRRORED.slices[key], address_type="IPv6", endpoints=())
    seen = observed(EXPORTED, replace(MIRRORED, slices={key: wrong}))
    assert told(planned(seen)) == ["Delete EndpointSlice test/podinfo-east-ipv4"]
    local = applied(seen.local, planned(seen))
    assert told(planned(replace(seen, local=local))) == ["Create EndpointSlice test/podinfo-east-ipv4"]


def test_the_kinds_are_what_the_objects_are() -> None:
    kinds = {SERVICE: Service, ENDPOINTS: Endpoints, ENDPOINT_SLICE: EndpointSlice}
    assert all(isinstance(action.object, kinds[action.kind]) for action in planned(observed(EXPORTED)))
