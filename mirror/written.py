"""
What we wrote and have not seen come back yet.

A watch tells of our own writes a moment after they were answered. Planning from what it shows until then
would do everything twice; so what was answered stands in for what was not yet shown.
"""

from collections.abc import Mapping
from typing import Generic, TypeVar

from cluster.metadata import Raw
from cluster.objects import Endpoints, EndpointSlice, Key, Service
from cluster.snapshot import Snapshot, older
from mirror.home import Seen
from mirror.observed import Local, usable
from mirror.plan import Action

T = TypeVar("T", Service, Endpoints, EndpointSlice)


class Written(Generic[T]):
    """Of one kind."""

    def __init__(self) -> None:
        self._made: dict[Key, T] = {}
        self._removed: dict[Key, str] = {}

    def put(self, thing: T) -> None:
        """The server has answered that it holds *thing*."""
        self._removed.pop(thing.metadata.key, None)
        self._made[thing.metadata.key] = thing

    def remove(self, thing: T) -> None:
        """The server has answered that *thing* is gone."""
        self._made.pop(thing.metadata.key, None)
        self._removed[thing.metadata.key] = thing.metadata.uid

    def over(self, shown: Snapshot[T]) -> Mapping[Key, T]:
        """*shown*, with what we wrote and it does not show yet; the rest is forgotten."""
        self._made = {
            key: thing
            for key, thing in self._made.items()
            if older(shown.version, thing.metadata.resource_version)
        }
        self._removed = {
            key: uid
            for key, uid in self._removed.items()
            if key in shown.items and shown.items[key].metadata.uid == uid
        }
        if not self._made and not self._removed:
            return shown.items
        kept = {key: thing for key, thing in shown.items.items() if key not in self._removed}
        return {**kept, **self._made}


class Overlay:
    """Of all three kinds that make a mirror."""

    def __init__(self) -> None:
        self._services: Written[Service] = Written()
        self._endpoints: Written[Endpoints] = Written()
        self._slices: Written[EndpointSlice] = Written()

    def local(self, seen: Seen) -> Local:
        """Our own cluster as it is shown, and as we have left it."""
        return Local(
            usable(seen.namespaces.items),
            self._services.over(seen.services),
            self._endpoints.over(seen.endpoints),
            self._slices.over(seen.slices),
        )

    def wrote(self, action: Action, raw: Raw | None) -> None:
        """*action* was carried out; *raw* is what the server has now."""
        match action.object:
            case Service() as service:
                _note(self._services, service, None if raw is None else Service.from_dict(raw))
            case Endpoints() as endpoints:
                _note(self._endpoints, endpoints, None if raw is None else Endpoints.from_dict(raw))
            case EndpointSlice() as part:
                _note(self._slices, part, None if raw is None else EndpointSlice.from_dict(raw))


def _note(written: Written[T], aimed_at: T, now: T | None) -> None:
    if now is None:
        written.remove(aimed_at)
    else:
        written.put(now)
