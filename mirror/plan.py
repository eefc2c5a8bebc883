"""
The plan: what to do so that the mirrors are what they ought to be. Pure; carried out, it leaves nothing
for the next one.

A mirror whose Service over there is no longer exported is withdrawn in two steps. Its Endpoints go
empty at once, which can be taken back; it is deleted once the caller says that it may be, since what
was deleted loses its address for good. What counts as proof stands in `withdrawal`.
"""

from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from typing import TypeVar

from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, SERVICE, Kind
from cluster.objects import Endpoints, EndpointSlice, Key, Service
from mirror.copying import belongs_to_a_tool, ours
from mirror.observed import Local, Observed
from mirror.ownership import may_write_over, origin
from mirror.wanted import Desired, Mirror

Object = Service | Endpoints | EndpointSlice
Some = TypeVar("Some", Service, Endpoints, EndpointSlice)


@dataclass(frozen=True, slots=True)
class Create:
    """Make *object*, for the sake of *mirror*."""

    mirror: Key
    kind: Kind
    object: Object


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


def plan(observed: Observed, desired: Desired, removable: Set[Key] = frozenset()) -> list[Action]:
    """
    What is to be done, in order; [] if all is as *desired*.

    *removable* are the mirrors which, if they are withdrawn, may also be deleted.
    """
    mirrors = {mirror.key: mirror for mirror in desired.values() if isinstance(mirror, Mirror)}
    owned = _owned(observed.local, observed.link.uid)
    actions: list[Action] = []
    for mirror in mirrors.values():
        actions += _bring_about(mirror, observed, owned.get(mirror.key, ()))
    for key in sorted(withdrawn(observed, desired)):
        if key in removable:
            actions += (Delete(key, _kind(thing), thing) for thing in owned[key])
        else:
            actions += _emptied(key, owned[key])
    return actions


def withdrawn(observed: Observed, desired: Desired) -> dict[Key, Key]:
    """
    The mirrors here that are no longer wanted, each with the remote Service it stood for.

    Not among them is one of which we cannot tell what has become of that Service: it stays as it is.
    """
    if observed.replaced:
        return {}
    mirrors = {mirror.key for mirror in desired.values() if isinstance(mirror, Mirror)}
    uid, unreadable = observed.link.uid, observed.remote.unreadable
    return {
        key: remote
        for key, things in _owned(observed.local, uid).items()
        if key not in mirrors
        if (remote := origin(things[0].metadata, key, uid)) is not None and remote not in unreadable
    }


def removal(local: Local, uid: str) -> list[Action]:
    """The removal of everything that the Link *uid* made."""
    return [
        Delete(key, _kind(thing), thing)
        for key, things in sorted(_owned(local, uid).items())
        for thing in things
    ]


def count(local: Local, uid: str) -> int:
    """How many mirror Services the Link *uid* has here."""
    return sum(origin(service.metadata, key, uid) is not None for key, service in local.services.items())


def _owned(local: Local, uid: str) -> dict[Key, tuple[Object, ...]]:
    """Everything here that is proven to be made by the Link *uid*, by mirror; the Service first."""
    found: dict[Key, tuple[Object, ...]] = {}
    kinds: tuple[Mapping[Key, Object], ...] = (local.services, local.endpoints, local.slices)
    for things in kinds:
        for thing in things.values():
            key = _mirror_of(thing)
            if origin(thing.metadata, key, uid) is not None:
                found[key] = (*found.get(key, ()), thing)
    return found


def _mirror_of(thing: Object) -> Key:
    if isinstance(thing, EndpointSlice):
        return Key(thing.metadata.namespace, thing.service)
    return thing.metadata.key


def _kind(thing: Object) -> Kind:
    match thing:
        case Service():
            return SERVICE
        case Endpoints():
            return ENDPOINTS
        case EndpointSlice():
            return ENDPOINT_SLICE


def _bring_about(mirror: Mirror, observed: Observed, owned: Collection[Object]) -> Iterator[Action]:
    local = observed.local
    yield from _brought(mirror.key, mirror.service, local.services.get(mirror.key))
    yield from _brought(mirror.key, mirror.endpoints, local.endpoints.get(mirror.key))
    for part in mirror.slices:
        standing = local.slices.get(part.metadata.key)
        if standing is None or may_write_over(standing.metadata, part.metadata, observed.others):
            yield from _brought(mirror.key, part, standing)
    names = {part.metadata.name for part in mirror.slices}
    for thing in owned:
        if isinstance(thing, EndpointSlice) and thing.metadata.name not in names:
            yield Delete(mirror.key, ENDPOINT_SLICE, thing)


def _brought(mirror: Key, wanted: Some, standing: Some | None) -> Iterator[Action]:
    if standing is None:
        yield Create(mirror, _kind(wanted), wanted)
        return
    settled = _settled(wanted, standing)
    if settled == standing:
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
    )
    if isinstance(standing, Service):
        return replace(wanted, metadata=metadata, cluster_ip=standing.cluster_ip, ingress=standing.ingress)
    return replace(wanted, metadata=metadata)


def _joined(wanted: Mapping[str, str], standing: Mapping[str, str]) -> dict[str, str]:
    """*wanted*, and of *standing* what some tool has put there: removing it would start a quarrel."""
    tools = {key: value for key, value in standing.items() if belongs_to_a_tool(key) and not ours(key)}
    return {**tools, **wanted}


def _emptied(key: Key, things: Collection[Object]) -> Iterator[Action]:
    for thing in things:
        if isinstance(thing, Endpoints) and thing.subsets:
            yield Update(key, ENDPOINTS, replace(thing, subsets=()))
        elif isinstance(thing, EndpointSlice) and thing.endpoints:
            yield Update(key, ENDPOINT_SLICE, replace(thing, endpoints=()))
