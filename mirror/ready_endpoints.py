"""How many endpoints of a cluster's Services take connections, kept up with what is known of their slices."""

from collections.abc import Iterable, Mapping

from cluster.changes import Groups
from cluster.objects import EndpointSlice, Key


def service_of(part: EndpointSlice) -> Key:
    """The Service that *part* is of."""
    return Key(part.metadata.namespace, part.service)


def ready(parts: Iterable[EndpointSlice]) -> int:
    """
    How many endpoints of one Service's *parts* are ready.

    One with two families has each pod in two slices; it counts once.
    """
    families: dict[str, int] = {}
    for part in parts:
        found = sum(1 for endpoint in part.endpoints if endpoint.is_ready and endpoint.addresses)
        families[part.address_type] = families.get(part.address_type, 0) + found
    return max(families.values(), default=0)


class ReadyEndpoints:
    """The numbers, by Service; those with none are not among them."""

    def __init__(self) -> None:
        self._groups: Groups[EndpointSlice] = Groups(service_of)
        self._numbers: Mapping[Key, int] = {}

    def after(self, slices: Mapping[Key, EndpointSlice]) -> Mapping[Key, int]:
        """The numbers now that *slices* are all there are; the same object if they are the same."""
        touched = self._groups.take(slices)
        members = self._groups.members
        changed = {
            key: number
            for key in touched
            if (number := ready(members.get(key, ()))) != self._numbers.get(key, 0)
        }
        if changed:
            numbers = {**self._numbers, **changed}
            for key, number in changed.items():
                if not number:
                    del numbers[key]
            self._numbers = numbers
        return self._numbers
