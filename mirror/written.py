"""
What we wrote and have not seen come back yet.

A watch tells of our own writes a moment after they were answered. Planning from what it shows until then
would do everything twice; so what was answered stands in for what was not yet shown.
"""

from collections.abc import Mapping
from typing import Generic, TypeVar

from cluster.changes import Groups
from cluster.metadata import Raw
from cluster.objects import Endpoints, EndpointSlice, Key, Namespace, Service
from cluster.snapshot import Snapshot, older
from mirror.home import Seen
from mirror.observed import Local, leaving, mirror_of, usable
from mirror.plan import Action

T = TypeVar("T", Service, Endpoints, EndpointSlice)


class Written(Generic[T]):
    """Of one kind."""

    def __init__(self) -> None:
        self._made: dict[Key, tuple[T, float]] = {}
        self._removed: dict[Key, tuple[str, float]] = {}

    def put(self, thing: T, now: float) -> None:
        """The server has answered *now* that it holds *thing*."""
        self._removed.pop(thing.metadata.key, None)
        self._made[thing.metadata.key] = thing, now

    def remove(self, thing: T, now: float) -> None:
        """The server has answered *now* that *thing* is gone."""
        self._made.pop(thing.metadata.key, None)
        self._removed[thing.metadata.key] = thing.metadata.uid, now

    def over(self, shown: Snapshot[T]) -> Mapping[Key, T]:
        """
        *shown*, with what we wrote and it does not show yet; the rest is forgotten.

        A listing that was asked for later than we wrote shows all of it, or what has become of it: versions
        go back, and what was removed comes back, where an API server is restored from a backup.
        """
        self._made = {
            key: (thing, at)
            for key, (thing, at) in self._made.items()
            if shown.listed_at <= at and older(shown.version, thing.metadata.resource_version)
        }
        self._removed = {
            key: (uid, at)
            for key, (uid, at) in self._removed.items()
            if shown.listed_at <= at and key in shown.items and shown.items[key].metadata.uid == uid
        }
        if not self._made and not self._removed:
            return shown.items
        kept = {key: thing for key, thing in shown.items.items() if key not in self._removed}
        return {**kept, **{key: thing for key, (thing, _) in self._made.items()}}


class Overlay:
    """Of all three kinds that make a mirror."""

    def __init__(self) -> None:
        self._services: Written[Service] = Written()
        self._endpoints: Written[Endpoints] = Written()
        self._slices: Written[EndpointSlice] = Written()
        self._parts: Groups[EndpointSlice] = Groups(mirror_of)

    def local(self, seen: Seen) -> Local:
        """Our own cluster as it is shown, and as we have left it."""
        slices = self._slices.over(seen.slices)
        self._parts.take(slices)
        return Local(
            usable(seen.namespaces.items),
            self._services.over(seen.services),
            self._endpoints.over(seen.endpoints),
            slices,
            leaving(seen.namespaces.items),
            self._parts.members,
        )

    def wrote(self, action: Action, raw: Raw | None, now: float) -> None:
        """*action* was carried out; *raw* is what the server has *now*."""
        match action.object:
            case Service() as service:
                _note(self._services, service, None if raw is None else Service.from_dict(raw), now)
            case Endpoints() as endpoints:
                _note(self._endpoints, endpoints, None if raw is None else Endpoints.from_dict(raw), now)
            case EndpointSlice() as part:
                _note(self._slices, part, None if raw is None else EndpointSlice.from_dict(raw), now)
            case Namespace():  # it is there while anything in it is
                pass


def _note(written: Written[T], aimed_at: T, there: T | None, now: float) -> None:
    if there is None:
        written.remove(aimed_at, now)
    else:
        written.put(there, now)
