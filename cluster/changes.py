"""What differs between two mappings of objects. An object is the same if it is the very same one."""

from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

from cluster.metadata import Key, Metadata

_Objects = Mapping[Key, object]

_RECENT: deque[tuple[_Objects, _Objects, frozenset[Key]]] = deque(maxlen=6)
"""The last answers: whoever shares two mappings with others asks the same as they do."""


class HasMetadata(Protocol):
    """An object of a cluster."""

    @property
    def metadata(self) -> Metadata: ...


T = TypeVar("T", bound=HasMetadata)


def changes(before: _Objects, after: _Objects) -> frozenset[Key]:
    """The keys under which *after* holds another object than *before*, or only one of them holds any."""
    if before is after:
        return frozenset()
    for known_before, known_after, found in _RECENT:
        if known_before is before and known_after is after:
            return found
    old = before.copy() if isinstance(before, MappingProxyType) else before  # a proxy's get is slow
    changed = {key for key, thing in after.items() if old.get(key) is not thing}
    if len(after) - len(changed) != len(before):  # as many as are the same: nothing has gone
        changed |= before.keys() - after.keys()
    found = frozenset(changed)
    _RECENT.append((before, after, found))
    return found


class Groups(Generic[T]):
    """Objects by what they belong to, kept up with one mapping of them after another."""

    def __init__(self, owner: Callable[[T], Key]) -> None:
        self.members: Mapping[Key, tuple[T, ...]] = {}
        """Swapped whole; no group is empty."""

        self._owner = owner
        self._items: Mapping[Key, T] = {}

    def take(self, items: Mapping[Key, T]) -> frozenset[Key]:
        """Take in *items*, which are all there are; the groups that have become others."""
        before, self._items = self._items, items
        changed = changes(before, items)
        if not changed:
            return frozenset()
        come: dict[Key, list[T]] = {}
        for key in changed:
            if (gone := before.get(key)) is not None:
                come.setdefault(self._owner(gone), [])
            if (new := items.get(key)) is not None:
                come.setdefault(self._owner(new), []).append(new)
        members = dict(self.members)
        for group, new_ones in come.items():
            kept = (one for one in members.get(group, ()) if items.get(one.metadata.key) is one)
            if there := (*kept, *new_ones):
                members[group] = there
            else:
                members.pop(group, None)
        self.members = members
        return frozenset(come)
