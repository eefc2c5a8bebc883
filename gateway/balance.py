"""Which endpoint gets a new stream: the less loaded of two chosen at random."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from process.address import Address


def order(shuffled: Sequence[Address], load: Callable[[Address], int]) -> Iterator[Address]:
    """
    The endpoints in the order in which they are tried: first the less loaded of the first two of
    *shuffled*, which is a random order of them, then the others.
    """
    first = min(shuffled[:2], key=load, default=None)
    if first is None:
        return
    yield first
    yield from (endpoint for endpoint in shuffled if endpoint != first)


class Loads:
    """How many streams each endpoint carries now."""

    def __init__(self) -> None:
        self._streams: dict[Address, int] = {}

    def of(self, endpoint: Address) -> int:
        return self._streams.get(endpoint, 0)

    @contextmanager
    def counted(self, endpoint: Address) -> Iterator[None]:
        """*endpoint* carries one stream more within the block."""
        self._streams[endpoint] = self.of(endpoint) + 1
        try:
            yield
        finally:
            if left := self._streams[endpoint] - 1:
                self._streams[endpoint] = left
            else:
                del self._streams[endpoint]
