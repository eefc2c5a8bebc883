"""
What we know of one kind of object in one cluster: a complete listing, and what a watch added to it.

There is no snapshot before the first complete listing, and none is ever made of a part of one: an
API server that is away never looks like an empty one. Pure: listings and events go in, the next
snapshot comes out.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Generic, TypeVar

from cluster.events import Applied, Bookmark, Deleted, Told
from cluster.metadata import Key, Raw
from cluster.reading import Fields, Malformed

T = TypeVar("T")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[T]):
    """All objects of a kind, as of `version`."""

    items: Mapping[Key, T]

    unreadable: Mapping[Key, str]
    """Objects that are there but do not have their kind's form, and why. They are not gone."""

    deleted: Mapping[Key, str]
    """Objects whose deletion was *seen*, as an event since the listing, and its version."""

    listing: int
    """1 for the first complete listing of this informer, then counted on."""

    listed_version: str
    """The resource version of that listing."""

    listed_at: float
    """When it was asked for, on the monotonic clock: it shows that moment or a later one."""

    version: str
    """The resource version up to which events are in."""

    unbroken: bool
    """
    Whether what is not in here is not over there: from the listing to `version` no event can have
    been missed. False from an error on, until the watch has gone on from `version` or everything has
    been listed anew.
    """

    cluster_uid: str = ""
    """The uid of its namespace kube-system, read before the listing; "" if we may not read it."""

    source: str = ""
    """The fingerprint of server and credentials."""


class Disordered(Exception):
    """An event is older than what we have: the server lost some of its past. List again."""

    reason = "disordered"


def listed(
    items: Iterable[Raw],
    parse: Callable[[Raw], T],
    *,
    version: str,
    at: float,
    listing: int,
    cluster_uid: str,
    source: str,
    known: Mapping[Key, T] | None = None,
) -> Snapshot[T]:
    """
    The snapshot that a complete listing makes. Raises Malformed where an item has no name.

    What is equal to what was *known* before is that very object, so that nobody takes it for a change.
    """
    before = known or {}
    readable: dict[Key, T] = {}
    unreadable: dict[Key, str] = {}
    for raw in items:
        key = _put(raw, parse, readable, unreadable)
        same = before.get(key)
        if same is not None and readable.get(key) == same:
            readable[key] = same
    return Snapshot(
        items=MappingProxyType(readable),
        unreadable=MappingProxyType(unreadable),
        deleted=MappingProxyType({}),
        listing=listing,
        listed_version=version,
        listed_at=at,
        version=version,
        unbroken=True,
        cluster_uid=cluster_uid,
        source=source,
    )


def after(snapshot: Snapshot[T], events: Iterable[Told], parse: Callable[[Raw], T]) -> Snapshot[T]:
    """
    *snapshot* with *events* of a watch that began at its version.

    Raises Disordered, or Malformed where an object has no name; then none of them counts.
    """
    items, unreadable, deleted = _copy(snapshot.items), _copy(snapshot.unreadable), _copy(snapshot.deleted)
    version = snapshot.version
    for event in events:
        if older(event.version, version):
            raise Disordered(f"an event of version {event.version} came after {version}")
        version = event.version
        match event:
            case Applied(raw):
                deleted.pop(_put(raw, parse, items, unreadable), None)
            case Deleted(raw):
                key = key_of(raw)
                items.pop(key, None)
                unreadable.pop(key, None)
                deleted[key] = version
            case Bookmark():
                pass
    return replace(
        snapshot,
        items=MappingProxyType(items),
        unreadable=MappingProxyType(unreadable),
        deleted=MappingProxyType(deleted),
        version=version,
        unbroken=True,
    )


def _copy(mapping: Mapping[Key, V]) -> dict[Key, V]:
    """dict() asks a proxy for one key after the other; of thousands a copy is twenty times as quick."""
    return mapping.copy() if isinstance(mapping, MappingProxyType) else dict(mapping)


def older(version: str, than: str) -> bool:
    """
    Whether *version* certainly comes before *than*.

    Resource versions are opaque by contract and numbers in fact; what is no number is never older.
    """
    if not (version.isdecimal() and than.isdecimal() and version.isascii() and than.isascii()):
        return False
    return (len(version), version) < (len(than), than)


def key_of(raw: Raw) -> Key:
    """What names the object *raw*. Raises Malformed."""
    metadata = Fields.of(raw).below("metadata")
    return Key(metadata.text("namespace"), metadata.required("name"))


def _put(raw: Raw, parse: Callable[[Raw], T], readable: dict[Key, T], unreadable: dict[Key, str]) -> Key:
    key = key_of(raw)
    try:
        readable[key] = parse(raw)
    except Malformed as mistake:
        readable.pop(key, None)
        unreadable[key] = str(mistake)
    else:
        unreadable.pop(key, None)
    return key
