"""Which endpoint gets a new stream: the less loaded of two chosen at random, or always the same one."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from types import TracebackType

from gateway.ejection import Ejections
from gateway.routes import Route
from process.address import Address

Chance = Callable[[], float]
"""A number from [0, 1), another one each time."""


def candidates(
    route: Route,
    caller: str,
    *,
    load: Callable[[Address], int],
    ejected: AbstractSet[Address] | Ejections,
    chance: Chance,
) -> Iterator[Address]:
    """
    The endpoints of *route* in the order in which they are tried for *caller*, each once.

    First those nearby, if there are any, then the others; those that are *ejected* last, so that a route
    of which all endpoints fail is still tried. Nothing is looked at before it is asked for: the first
    candidate of a thousand costs no more than that of two.
    """
    first = route.near or route.backends
    groups: tuple[tuple[Address, ...], ...] = (
        (first,) if first is route.backends else (first, _without(route.backends, first))
    )
    if ejected:
        standing = [tuple(one for one in group if one not in ejected) for group in groups]
        groups = (*standing, tuple(one for one in route.backends if one in ejected))
    for group in groups:
        if route.sticky:
            yield from by_caller(group, caller)
        else:
            yield from order(group, load, chance)


def order(endpoints: Sequence[Address], load: Callable[[Address], int], chance: Chance) -> Iterator[Address]:
    """First the less loaded of two random ones of *endpoints*, then the others, from a random one on."""
    count = len(endpoints)
    if count < 2:
        yield from endpoints
        return
    one = int(chance() * count)
    other = int(chance() * (count - 1))
    if other >= one:
        other += 1
    first = one if load(endpoints[one]) <= load(endpoints[other]) else other
    yield endpoints[first]
    start = int(chance() * count)
    for number in range(start, start + count):
        if number % count != first:
            yield endpoints[number % count]


def by_caller(endpoints: Sequence[Address], caller: str) -> Iterator[Address]:
    """
    *endpoints* in an order that is *caller*'s own: the highest of the hashes of both comes first.

    (Rendezvous hashing.) Nothing has to be remembered, so all workers and replicas of a gateway agree,
    also after a restart; whoever's endpoint stays keeps it, whatever becomes of the others.
    """
    yield from sorted(endpoints, key=lambda endpoint: _weight(caller, endpoint), reverse=True)


def _weight(caller: str, endpoint: Address) -> bytes:
    return hashlib.blake2b(f"{caller} {endpoint}".encode(), digest_size=8).digest()


def _without(endpoints: Sequence[Address], some: Sequence[Address]) -> tuple[Address, ...]:
    left_out = set(some)
    return tuple(endpoint for endpoint in endpoints if endpoint not in left_out)


class Loads:
    """How many streams each endpoint carries now."""

    def __init__(self) -> None:
        self._streams: dict[Address, int] = {}

    def of(self, endpoint: Address) -> int:
        return self._streams.get(endpoint, 0)

    def counted(self, endpoint: Address) -> "_Counted":
        """*endpoint* carries one stream more within the block."""
        return _Counted(self, endpoint)

    def add(self, endpoint: Address) -> None:
        self._streams[endpoint] = self.of(endpoint) + 1

    def remove(self, endpoint: Address) -> None:
        if left := self._streams[endpoint] - 1:
            self._streams[endpoint] = left
        else:
            del self._streams[endpoint]


class _Counted:
    """The block of one stream; a generator in its place would keep a frame for its whole life."""

    __slots__ = ("_endpoint", "_loads")

    def __init__(self, loads: Loads, endpoint: Address) -> None:
        self._loads = loads
        self._endpoint = endpoint

    def __enter__(self) -> None:
        self._loads.add(self._endpoint)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loads.remove(self._endpoint)
