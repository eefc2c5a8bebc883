"""
The plan: what to do so that the mirrors are what they ought to be. Pure; carried out, it leaves nothing
for the next one.

A mirror whose Service over there is no longer exported is withdrawn in two steps. Its Endpoints go
empty at once, which can be taken back; it is deleted once the caller says that it may be, since what
was deleted loses its address for good. What counts as proof stands in `withdrawal`. Where it may be at
once the first step is left out, unless deleting has failed.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from typing import TypeVar

from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, NAMESPACE, SERVICE, Kind
from cluster.metadata import Metadata, OwnerReference
from cluster.objects import Endpoints, EndpointSlice, Key, Namespace, Service
from mirror import marks, shown
from mirror.copying import belongs_to_a_tool, ours
from mirror.mirror_objects import Mirror, owner
from mirror.observed import Local, Object, Observed
from mirror.ownership import may_write_over, origin, owned
from mirror.wanted import Desired

Some = TypeVar("Some", Service, Endpoints, EndpointSlice)


@dataclass(frozen=True, slots=True)
class Create:
    """Make *object*, for the sake of *mirror*."""

    mirror: Key
    kind: Kind
    object: Object | Namespace


@dataclass(frozen=True, slots=True)
class Update:
    """Make the object so, if it still is what it was: *object* carries that version."""

    mirror: Key
    kind: Kind
    object: Object


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove *object*, if it is still that one, in that version."""

    mirror: Key
    kind: Kind
    object: Object


Action = Create | Update | Delete


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done now, in order, and which mirrors have not been looked at."""

    actions: list[Action]
    left: frozenset[Key] = frozenset()


def plan(
    observed: Observed, desired: Desired, removable: Set[Key] = frozenset(), failing: Set[Key] = frozenset()
) -> list[Action]:
    """All that is to be done, in order; [] if all is as *desired*. The rest is as with `plan_some`."""
    return plan_some(observed, desired, desired.mirrors.keys(), removable, failing).actions


def plan_some(
    observed: Observed,
    desired: Desired,
    due: Set[Key],
    removable: Set[Key] = frozenset(),
    failing: Set[Key] = frozenset(),
    *,
    held: Set[Key] = frozenset(),
    most: int | None = None,
) -> Plan:
    """
    What is to be done about the *due* mirrors, until *most* of them are to be written, those that are *held*
    not counted; and about those that are withdrawn, which are emptied first and removed last.

    *removable* are the mirrors which, if they are withdrawn, may also be deleted; *failing* those of
    which something could not be done.
    """
    actions: list[Action] = []
    waiting = iter([key for key in due if key in desired.mirrors])
    written = 0
    for key in waiting:
        if found := list(_bring_about(desired.mirrors[key], observed)):
            actions += found
            written += key not in held
            if written == most:
                break
    left = frozenset(waiting)
    emptied: list[Action] = []
    for key, gone in sorted(desired.withdrawn.items()):
        emptying = key in failing or key not in removable
        found = list(_emptied(key, gone.things, observed.now)) if emptying else []
        if key in removable and not found:
            actions += (Delete(key, _kind(thing), thing) for thing in gone.things)
        else:
            emptied += found
    return Plan(emptied + actions, left)


def removal(local: Local, uid: str) -> list[Action]:
    """The removal of everything that the Link *uid* made."""
    made = sorted(owned(local, uid).items())
    return [Delete(key, _kind(thing), thing) for key, things in made for thing in things]


def belonging(action: Action, service: Service) -> Action:
    """*action*, planned before there was *service*, now that there is: what it writes belongs to that."""
    if isinstance(action, Delete) or isinstance(action.object, Service | Namespace):
        return action
    metadata = action.object.metadata
    owned = replace(metadata, owner_references=(*_others(metadata), owner(service)))
    return replace(action, object=replace(action.object, metadata=owned))


def taken_over(wanted: EndpointSlice, standing: EndpointSlice, others: Set[str]) -> EndpointSlice | None:
    """*wanted* in the place of *standing*, which we did not see; None if that is not ours to write over."""
    if not may_write_over(standing.metadata, wanted.metadata, others):
        return None
    return _settled(wanted, standing)


def _kind(thing: Object) -> Kind:
    match thing:
        case Service():
            return SERVICE
        case Endpoints():
            return ENDPOINTS
        case EndpointSlice():
            return ENDPOINT_SLICE


def _bring_about(mirror: Mirror, observed: Observed) -> Iterator[Action]:
    local = observed.local
    if mirror.key.namespace not in local.namespaces and mirror.key not in local.services:
        yield Create(mirror.key, NAMESPACE, _namespace(mirror.key.namespace, observed))
    service = local.services.get(mirror.key)
    yield from _brought(mirror.key, mirror.service, service)
    anew = service is None
    if mirror.endpoints is not None:
        yield from _brought(mirror.key, mirror.endpoints, local.endpoints.get(mirror.key), anew=anew)
    for part in mirror.slices:
        yield from _brought(mirror.key, part, local.slices.get(part.metadata.key), anew=anew)
    names = {part.metadata.name for part in mirror.slices}
    for stray in local.parts.get(mirror.key, ()):
        if stray.metadata.name in names:
            continue
        if origin(stray.metadata, mirror.key, observed.link.uid):
            yield Delete(mirror.key, ENDPOINT_SLICE, stray)
        elif stray.endpoints and may_write_over(stray.metadata, mirror.service.metadata, observed.others):
            # Of a Link that is no more: not proven to be ours to remove, but its addresses are old.
            yield Update(mirror.key, ENDPOINT_SLICE, replace(stray, endpoints=()))


def _namespace(name: str, observed: Observed) -> Namespace:
    """As Linkerd makes it: marked, and never removed by us, since others may have come to use it."""
    labels = {marks.MIRRORED_SERVICE: "true", marks.CLUSTER_NAME: observed.link.cluster}
    return Namespace(Metadata(name, labels=labels))


def _brought(mirror: Key, wanted: Some, standing: Some | None, *, anew: bool = False) -> Iterator[Action]:
    """*anew*: the Service to which it is to belong is only made now."""
    if standing is None:
        yield Create(mirror, _kind(wanted), wanted)
        return
    settled = _settled(wanted, standing)
    if settled == standing and not anew:
        return
    if _family(settled) != _family(standing):
        yield Delete(mirror, ENDPOINT_SLICE, standing)  # it cannot be changed; the next plan makes it anew
    else:
        yield Update(mirror, _kind(wanted), settled)


def _family(thing: Object) -> str:
    return thing.address_type if isinstance(thing, EndpointSlice) else ""


def _settled(wanted: Some, standing: Some) -> Some:
    """*wanted* in the place of *standing*: its version, address, and what tools have put on it."""
    metadata = replace(
        standing.metadata,
        labels=_joined(wanted.metadata.labels, standing.metadata.labels),
        annotations=_joined(wanted.metadata.annotations, standing.metadata.annotations),
        owner_references=_owners(wanted, standing),
    )
    if isinstance(standing, Service):
        return replace(wanted, metadata=metadata, cluster_ip=standing.cluster_ip, ingress=standing.ingress)
    return replace(wanted, metadata=metadata)


def _owners(wanted: Some, standing: Some) -> tuple[OwnerReference, ...]:
    """Those that others have put there, and the Service; of a mirror made anew not the one that was."""
    if isinstance(wanted, Service):
        return standing.metadata.owner_references
    return (*_others(standing.metadata), *wanted.metadata.owner_references)


def _others(metadata: Metadata) -> tuple[OwnerReference, ...]:
    return tuple(owner for owner in metadata.owner_references if owner.kind != "Service")


def _joined(wanted: Mapping[str, str], standing: Mapping[str, str]) -> dict[str, str]:
    """*wanted*, and of *standing* what some tool has put there: removing it would start a quarrel."""
    tools = {key: value for key, value in standing.items() if belongs_to_a_tool(key) and not ours(key)}
    return {**tools, **wanted}


def _emptied(key: Key, things: tuple[Object, ...], now: str) -> Iterator[Action]:
    for thing in things:
        if isinstance(thing, Service):
            continue
        said = dict(thing.metadata.annotations)
        said = {key: value for key, value in said.items() if key != marks.READY_ENDPOINTS}
        said |= shown.since(shown.WITHDRAWN, said, now)
        metadata = replace(thing.metadata, annotations=said)
        if isinstance(thing, Endpoints):
            emptied: Endpoints | EndpointSlice = replace(thing, metadata=metadata, subsets=())
        else:
            emptied = replace(thing, metadata=metadata, endpoints=())
        if emptied != thing:
            yield Update(key, _kind(thing), emptied)
