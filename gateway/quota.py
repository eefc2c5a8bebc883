"""How much of something one identity may have at once."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.refusals import OverLimit


class Quota:
    """Counts what each identity has. Who would have more than *most* is refused; who has some keeps it."""

    def __init__(self, most: int, what: str) -> None:
        self._most = most
        self._what = what
        self._had = Counter[str]()

    def __len__(self) -> int:
        """How many identities have any."""
        return len(self._had)

    @contextmanager
    def taken(self, identity: str) -> Iterator[None]:
        """*identity* has one more within the block. Raises OverLimit."""
        if self._had[identity] >= self._most:
            raise OverLimit(f"{identity} has {self._most} {self._what} already")
        self._had[identity] += 1
        try:
            yield
        finally:
            self._had[identity] -= 1
            if not self._had[identity]:
                del self._had[identity]
