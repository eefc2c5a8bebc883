"""
The objects of a cluster, each change of them numbered, and the last changes kept.

One counter numbers the changes of all kinds: an object's `resourceVersion` is the number of its last
change, a listing's the number of the last change of all. From the changes kept, a watch goes on from any
version not older than the oldest, and a listing in pages stays what it was when its first page was made.

What is stored is never changed in place: whoever was handed an object may keep it.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cluster.kinds import Kind
from cluster.local.refusals import Expired, NotFound
from cluster.metadata import Key, Raw

HISTORY = 10_000
"""Changes kept, for each kind."""


@dataclass(frozen=True, slots=True)
class Change:
    """Object *key* of *kind* became *after* what it was *before*; None where there is none."""

    version: int
    kind: Kind
    key: Key
    before: Raw | None
    after: Raw | None


class Store:
    """
    What there is and what happened.

    *record* is called with each change before it holds; if it raises, nothing has changed.
    """

    def __init__(
        self, record: Callable[[Change], None] = lambda change: None, *, history: int = HISTORY
    ) -> None:
        self.version = 1
        """The number of the last change."""
        self._objects: dict[Kind, dict[Key, Raw]] = {}
        self._changes: dict[Kind, deque[Change]] = {}
        self._forgotten: dict[Kind, int] = {}
        self._floor = self.version
        self._history = history
        self._record = record
        self._listeners: set[Callable[[], None]] = set()

    def restore(self, version: int, objects: Mapping[Kind, Mapping[Key, Raw]]) -> None:
        """Take over what was kept on disk; changes before *version* are forgotten."""
        self._objects = {kind: dict(items) for kind, items in objects.items()}
        self.version = self._floor = version

    def find(self, kind: Kind, key: Key) -> Raw | None:
        return self._objects.get(kind, {}).get(key)

    def get(self, kind: Kind, key: Key) -> Raw:
        """Raises NotFound."""
        if (item := self.find(kind, key)) is None:
            raise NotFound.named(kind, key.name)
        return item

    def all(self, kind: Kind) -> Mapping[Key, Raw]:
        """Every object of *kind* as it is now; not to be kept across a change."""
        return self._objects.get(kind, {})

    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of which there are objects."""
        return tuple(kind for kind, items in self._objects.items() if items)

    def put(self, kind: Kind, key: Key, item: Raw) -> Raw:
        """Keep *item* under its next version, and return it with that. The caller gives it up."""
        version = self.version + 1
        item["metadata"]["resourceVersion"] = str(version)
        self._apply(Change(version, kind, key, self.find(kind, key), item))
        return item

    def remove(self, kind: Kind, key: Key) -> None:
        """Forget the object, which exists."""
        self._apply(Change(self.version + 1, kind, key, self.get(kind, key), None))

    def at(self, kind: Kind, version: int) -> Mapping[Key, Raw]:
        """Every object of *kind* as it was at *version*. Raises Expired."""
        objects = dict(self.all(kind))
        for change in reversed(self.since(kind, version)):
            if change.before is None:
                del objects[change.key]
            else:
                objects[change.key] = change.before
        return objects

    def since(self, kind: Kind, version: int) -> list[Change]:
        """The changes of *kind* after *version*, in order. Raises Expired if not all are kept."""
        oldest = self._forgotten.get(kind, self._floor)
        if version < oldest or version > self.version:
            raise Expired(f"too old resource version: {version} ({oldest})")
        found: list[Change] = []
        for change in reversed(self._changes.get(kind, ())):
            if change.version <= version:
                break
            found.append(change)
        found.reverse()
        return found

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call *changed* after every change, until what is returned is called."""
        self._listeners.add(changed)
        return lambda: self._listeners.discard(changed)

    def _apply(self, change: Change) -> None:
        self._record(change)
        self.version = change.version
        objects = self._objects.setdefault(change.kind, {})
        if change.after is None:
            del objects[change.key]
        else:
            objects[change.key] = change.after
        changes = self._changes.setdefault(change.kind, deque())
        changes.append(change)
        if len(changes) > self._history:
            self._forgotten[change.kind] = changes.popleft().version
        for listener in tuple(self._listeners):
            listener()
