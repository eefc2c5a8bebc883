"""The passes of a Link's worker without its surroundings: the same pure parts, in the same order."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from cluster.client import Cluster
from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, SERVICE, Kind
from cluster.metadata import Metadata
from cluster.objects import Endpoints, EndpointSlice, Key, Namespace, Service
from cluster.snapshot import Snapshot
from mirror import marks
from mirror.execute import Outcome, execute
from mirror.home import Seen
from mirror.look import Look, due
from mirror.observed import Observed
from mirror.plan import Action, plan, plan_some
from mirror.wanted import Desired, Unmirrored, wanted
from mirror.withdrawal import Brake, judge
from mirror.written import Overlay
from tests.mirror.make import applied
from tests.support.memory_cluster import MemoryCluster

T = TypeVar("T")


def snapshot(items: dict[Key, T], version: int = 0, at: float = 0.0) -> Snapshot[T]:
    return Snapshot(items, {}, {}, 1, str(version), at, str(version), unbroken=True)


class Watches:
    """What the mirror has been told of a cluster: each kind up to a moment of its own."""

    def __init__(self, store: MemoryCluster) -> None:
        self._store = store
        self._parsed: dict[tuple[Kind, str], Any] = {}
        self.list(0.0)

    def list(self, now: float) -> None:
        """Everything is listed *now*."""
        self._listed_at = now
        self._services = self._shown(SERVICE, Service.from_dict)
        self._endpoints = self._shown(ENDPOINTS, Endpoints.from_dict)
        self._slices = self._shown(ENDPOINT_SLICE, EndpointSlice.from_dict)

    def catch_up(self, kind: Kind) -> None:
        if kind == SERVICE:
            self._services = self._shown(SERVICE, Service.from_dict)
        elif kind == ENDPOINTS:
            self._endpoints = self._shown(ENDPOINTS, Endpoints.from_dict)
        else:
            self._slices = self._shown(ENDPOINT_SLICE, EndpointSlice.from_dict)

    def _shown(self, kind: Kind, parse: Callable[[Any], T]) -> Snapshot[T]:
        """As an informer has it: an object that has not changed is the same one; of slices only some."""
        items = {}
        for key, raw in self._store.held[kind].items():
            metadata = raw["metadata"]
            if kind != ENDPOINT_SLICE or marks.LINK_UID in metadata.get("labels", {}):
                known = kind, metadata["resourceVersion"]
                if known not in self._parsed:
                    self._parsed[known] = parse(raw)
                items[key] = self._parsed[known]
        return snapshot(items, self._store.version, self._listed_at)

    @property
    def seen(self) -> Seen:
        there = {Key("", name): Namespace(Metadata(name)) for name in self._store.namespaces}
        nothing: Any = snapshot({})
        return Seen(nothing, nothing, snapshot(there), self._services, self._endpoints, self._slices)


@dataclass
class Memory:
    """What a worker remembers from pass to pass, and a restart makes it forget."""

    overlay: Overlay = field(default_factory=Overlay)
    brake: Brake = field(default_factory=Brake)
    look: Look | None = None
    failing: frozenset[Key] = frozenset()


async def one_pass(
    memory: Memory,
    observed: Observed,
    store: MemoryCluster,
    now: float,
    writes: int,
    *,
    most: int | None = None,
) -> list[Action]:
    """
    What was planned from *observed*, after so many *writes* of it were tried or all.

    At *most* so many mirrors are written.
    """
    before = memory.look
    desired = wanted(observed, before.desired if before else None)
    assert timeless(desired) == timeless(wanted(observed)), "what was remembered made a difference"
    verdict, memory.brake = judge(memory.brake, observed, desired, now)
    removable, failing = verdict.removable, memory.failing
    considered = due(before, desired)
    everything = plan(observed, desired, removable, failing)
    overlooked = {action.mirror for action in everything} - considered - desired.withdrawn.keys()
    assert not overlooked, "there is something to do for one that is not looked at"
    leaves_nothing(observed, everything, removable, failing)
    found = plan_some(observed, desired, considered, removable, failing, most=most)
    actions = found.actions
    memory.look = Look(
        observed, desired, frozenset(action.mirror for action in actions) | found.left, verdict.withheld
    )
    outcome = await carried_out(actions, memory, store, observed.others, now, writes)
    involved = memory.look.busy
    memory.failing = ((failing & involved) - outcome.done) | outcome.failed.keys()
    return actions


async def carried_out(
    actions: list[Action],
    memory: Memory,
    store: MemoryCluster,
    others: frozenset[str],
    now: float,
    writes: int,
) -> Outcome:
    left = iter(range(writes))
    return await execute(
        actions,
        cast("Cluster", store),
        may_write=lambda: next(left, None) is not None,
        wrote=lambda action, raw: memory.overlay.wrote(action, raw, now),
        at_once=2,
        others=others,
    )


def leaves_nothing(
    observed: Observed, actions: list[Action], removable: frozenset[Key], failing: frozenset[Key]
) -> None:
    """Carried out, *actions* leave nothing for the next plan; where deleting failed, for the one after."""
    rounds = 0
    while actions:
        rounds += 1
        assert rounds <= (2 if failing & removable else 1), f"there is still something to do: {actions}"
        observed = replace(observed, local=applied(observed.local, actions))
        actions = plan(observed, wanted(observed), removable, failing)


def timeless(desired: Desired) -> Desired:
    """*desired* without since when it is so: what was worked out before says so of an earlier moment."""
    services = {
        key: found
        if isinstance(found, Unmirrored)
        else replace(
            found,
            endpoints=found.endpoints
            and replace(found.endpoints, metadata=_undated(found.endpoints.metadata)),
            slices=tuple(replace(part, metadata=_undated(part.metadata)) for part in found.slices),
        )
        for key, found in desired.services.items()
    }
    mirrors = {key: services[remote] for remote, key in _places(desired).items()}
    troubled = {remote: services[remote] for remote in desired.troubled}
    return replace(desired, services=services, mirrors=cast("Any", mirrors), troubled=troubled)


def _places(desired: Desired) -> dict[Key, Key]:
    return {
        remote: found.key for remote, found in desired.services.items() if not isinstance(found, Unmirrored)
    }


def _undated(metadata: Metadata) -> Metadata:
    return replace(
        metadata, annotations={k: value for k, value in metadata.annotations.items() if k != marks.SINCE}
    )
