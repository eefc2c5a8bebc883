"""
Changes on both sides, in any order and between failures of every kind, end in the planned state.

A machine of hypothesis: its rules change the other cluster, the user's objects and ours, and the Link, or
let the mirror make a pass, of which any write may fail and only a part may be done. In the end, or whenever
everything is well for a while, all is as `planned_state` says; and nothing of the user's is ever touched.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import NoReturn

import pytest
import structlog
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, SERVICE, Kind
from cluster.objects import Key, ServicePort
from mirror import marks
from mirror.naming import mirror_key, remote_name
from mirror.observed import GatewayAddress, Observed
from mirror.plan import Action, Create, Delete, removal
from mirror.selectors import Selector
from tests.mirror.make import LINK, service
from tests.mirror.passes import Memory, Watches, carried_out, one_pass
from tests.mirror.planned_state import Asked, mistakes
from tests.mirror.two_sides import OTHER_LINK, OtherSide, OurSide, lookalike
from tests.support.length import WHOLE
from tests.support.memory_cluster import KINDS, MemoryCluster, Mishap

ALL = 1000
"""Writes: more than any plan has."""

NAMESPACES = ("test", "web")
REMOTES = [Key("test", "a"), Key("test", "b"), Key("web", "c" * 60)]
PLACES: list[tuple[Kind, Key]] = [
    (kind, Key(key.namespace, f"{mirror_key(key, 'east').name}{end}"))
    for key in REMOTES
    for kind, end in ((SERVICE, ""), (ENDPOINTS, ""), (ENDPOINT_SLICE, "-ipv4"), (ENDPOINT_SLICE, "-ipv6"))
]
BY_TIER = ("tier", "web")
LABELS: tuple[dict[str, str], ...] = (
    {marks.EXPORTED: "true"},
    {marks.EXPORTED: "true", "tier": "web"},
    {"tier": "web"},
    {},
)
PORTS = ((ServicePort(80, "http"),), (ServicePort(80, "http"), ServicePort(443, "https")), ())
IPS = ("203.0.113.7", "203.0.113.8", "2001:db8::1")
MISHAPS: tuple[Mishap, ...] = ("fine", "fine", "conflict", "fault", "unreachable", "lost")

remotes, places, kinds = st.sampled_from(REMOTES), st.sampled_from(PLACES), st.sampled_from(KINDS)
looks = st.sampled_from(
    ("plain", "half", "of another service", "of another link", "of another cluster", "nobodys")
)
gateways = st.dictionaries(st.sampled_from(IPS), st.sampled_from((True, False, None)), max_size=3)


@pytest.fixture(autouse=True, scope="module")
def no_log() -> Iterator[None]:
    """What is written in all of these passes is not kept."""

    def drop(*_: object) -> NoReturn:
        raise structlog.DropEvent

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mirror.execute.log", structlog.wrap_logger(None, processors=[drop]))
        yield


class Interleavings(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.store = MemoryCluster(*NAMESPACES)
        self.other, self.ours = OtherSide(), OurSide(self.store, LINK.uid)
        self.watches, self.memory = Watches(self.store), Memory()
        self.link, self.exported = LINK, (marks.EXPORTED, "true")
        self.gateway: dict[str, bool | None] = {IPS[0]: True}
        self.most, self.now, self.copies, self.links = 100, 0.0, 0, 1

    # The other cluster.

    @rule(
        key=remotes,
        labels=st.sampled_from(LABELS),
        ports=st.sampled_from(PORTS),
        app=st.sampled_from("xy"),
        kind=st.sampled_from(("ClusterIP", "ClusterIP", "ExternalName")),
    )
    def a_service_is_there_or_changes(
        self, key: Key, labels: dict[str, str], ports: tuple[ServicePort, ...], app: str, kind: str
    ) -> None:
        labels = {**labels, "app": app}
        made = service(
            key.name, namespace=key.namespace, exported=False, labels=labels, ports=ports, type=kind
        )
        self.other.put(made)

    @rule(key=remotes)
    def a_service_is_exported_and_ready(self, key: Key) -> None:
        self.other.put(service(key.name, namespace=key.namespace, labels={"tier": "web"}))
        self.other.ready(key, 1)

    @rule(key=remotes, in_a_gap=st.booleans())
    def a_service_goes(self, key: Key, in_a_gap: bool) -> None:
        self.other.remove(key, in_a_gap=in_a_gap)

    @rule(key=remotes)
    def a_service_cannot_be_read(self, key: Key) -> None:
        if key in self.other.seen.services:
            self.other.garble(key)

    @rule(key=remotes, count=st.integers(0, 2))
    def its_pods_are_ready_or_not(self, key: Key, count: int) -> None:
        self.other.ready(key, count)

    @rule()
    def it_is_listed_anew(self) -> None:
        self.other.list(self.now)

    @rule()
    def it_is_saved(self) -> None:
        self.other.saved = self.other.seen

    @rule()
    def it_is_restored(self) -> None:
        self.other.restore(self.now)

    @rule(uid=st.sampled_from(("uid-1", "uid-2")))
    def it_is_another_cluster(self, uid: str) -> None:
        self.other.seen = replace(self.other.seen, cluster_uid=uid)

    # Our own, and its users.

    @rule(place=places, look=looks)
    def a_user_takes_a_place(self, place: tuple[Kind, Key], look: str) -> None:
        kind, key = place
        name = next(there for there in REMOTES if key.name.startswith(mirror_key(there, "east").name))
        fqdn = remote_name(Key(key.namespace, name.name), "cluster.local")
        self.ours.take_the_place(kind, key, lookalike(kind, key, look, fqdn))

    @rule(place=places)
    def a_user_copies_a_mirror(self, place: tuple[Kind, Key]) -> None:
        self.copies += 1
        self.ours.copy(*place, f"copy-{self.copies}")

    @rule(place=places)
    def a_user_removes_what_is_there(self, place: tuple[Kind, Key]) -> None:
        self.ours.remove(*place)

    @rule(
        place=places,
        label=st.sampled_from((marks.LINK_UID, marks.MIRRORED_SERVICE, marks.CLUSTER_NAME, "app")),
        value=st.sampled_from((None, "edited")),
    )
    def a_user_relabels_ours(self, place: tuple[Kind, Key], label: str, value: str | None) -> None:
        self.ours.edit(*place, {label: value})

    @rule(place=places)
    def a_user_spoils_ours(self, place: tuple[Kind, Key]) -> None:
        self.ours.spoil(*place)

    @rule(place=places)
    def a_user_takes_ours_over(self, place: tuple[Kind, Key]) -> None:
        self.ours.take_over(*place)

    @rule(name=st.sampled_from(NAMESPACES), usable=st.booleans())
    def a_namespace_is_there_or_being_deleted(self, name: str, usable: bool) -> None:
        (self.store.namespaces.add if usable else self.store.namespaces.discard)(name)

    @rule()
    def garbage_is_collected(self) -> None:
        self.ours.collect()

    # The Link and its gateway.

    @rule(exported=st.sampled_from(((marks.EXPORTED, "true"), BY_TIER)))
    def the_selector_changes(self, exported: tuple[str, str]) -> None:
        self.exported = exported
        self.link = replace(self.link, selector=Selector(dict([exported])))

    @rule(only=st.sampled_from((frozenset[str](), frozenset({"test"}))))
    def its_namespaces_change(self, only: frozenset[str]) -> None:
        self.link = replace(self.link, namespaces=only)

    @rule(most=st.sampled_from((1, 2, 100)))
    def its_bound_changes(self, most: int) -> None:
        self.most = most

    @rule(gateway=gateways)
    def the_gateway_changes(self, gateway: dict[str, bool | None]) -> None:
        self.gateway = gateway

    @rule(settled=st.booleans())
    def it_is_made_anew(self, settled: bool) -> None:
        """As another Link, which has what the first one has left, or has left nothing of."""
        if settled:
            self._remove_all()
        self.links += 1
        self.link = replace(self.link, uid=f"link-{self.links}", remote_uid="")
        self.ours.link_uid = self.link.uid
        self.ours.tell_apart()
        self.memory = Memory()

    # The mirror.

    @rule(
        mishaps=st.lists(st.sampled_from(MISHAPS), max_size=8),
        writes=st.sampled_from((0, 1, 2, 3, 5, 1000)),
    )
    def it_makes_a_pass(self, mishaps: list[Mishap], writes: int) -> None:
        self.store.mishaps = deque(mishaps)
        self._pass(writes)
        self.store.mishaps.clear()

    @rule(seconds=st.sampled_from((1.0, 31.0, 61.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(kind=kinds)
    def a_watch_catches_up(self, kind: Kind) -> None:
        self.watches.catch_up(kind)

    @rule()
    def it_is_started_again(self) -> None:
        self.memory = Memory()
        self.watches.list(self.now)

    @rule()
    def all_is_well_for_a_while(self) -> None:
        self._settle()

    @invariant()
    def nothing_of_the_users_was_touched(self) -> None:
        assert self.ours.is_untouched()

    def teardown(self) -> None:
        try:
            self._settle()
            self._remove_all()
            assert self.ours.is_untouched()
        finally:
            self.loop.close()

    def _pass(self, writes: int = ALL) -> list[Action]:
        self.now += 1
        if not self.link.remote_uid:
            self.link = replace(self.link, remote_uid=self.other.seen.cluster_uid)
        observed = Observed(
            self.link,
            self.other.seen,
            self.memory.overlay.local(self.watches.seen),
            tuple(GatewayAddress(ip, alive) for ip, alive in sorted(self.gateway.items())),
            frozenset({OTHER_LINK}),
            self.most,
            now=f"at {self.now}",
        )
        some = None if writes == ALL else 2
        actions = self.loop.run(one_pass(self.memory, observed, self.store, self.now, writes, most=some))
        for action in actions:
            labels = action.object.metadata.labels
            assert not isinstance(action, Delete) or labels[marks.LINK_UID] == self.link.uid
        return actions

    def _settle(self) -> None:
        """Nothing fails any more, until there is nothing left to do; then all is as it ought to be."""
        self.gateway = {ip: bool(alive) for ip, alive in self.gateway.items()}
        self.link = replace(self.link, remote_uid=self.other.seen.cluster_uid)
        self.most = 100
        for _ in range(12):
            self.now += 70
            self.other.go_on(self.now)
            self.ours.collect()
            self.watches.list(self.now)
            before = self.store.version
            actions = self._pass()
            waits = self.memory.look is not None and self.memory.look.withheld
            if self.store.version == before and not waits and all(map(self._is_in_the_way, actions)):
                break
        else:
            raise AssertionError(f"there still is something to do: {actions}")
        asked = Asked(
            self.other.seen.services,
            self.other.seen.ready,
            {ip: bool(alive) for ip, alive in self.gateway.items()},
            self.exported,
            self.link.uid,
            "east",
            self.link.namespaces,
            frozenset(self.store.namespaces),
        )
        assert mistakes(self.store.held, self.ours.theirs, asked) == []

    def _is_in_the_way(self, action: Action) -> bool:
        """Whether a slice of the user's, which the mirror does not see, stands where it would make one."""
        place = action.kind, action.object.metadata.key
        return isinstance(action, Create) and place in self.ours.theirs

    def _remove_all(self) -> None:
        """The Link goes, and takes with it what it made."""
        for _ in range(3):
            self.ours.collect()
            self.watches.list(self.now)
            self.memory = Memory()
            actions = removal(self.memory.overlay.local(self.watches.seen), self.link.uid)
            self.loop.run(carried_out(actions, self.memory, self.store, frozenset(), self.now, 1000))
        assert actions == []


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = (
    settings(max_examples=3000, stateful_step_count=50)
    if WHOLE
    else settings(max_examples=100, stateful_step_count=30)
)
