"""How much of something one identity may have at once."""

from types import TracebackType

from gateway.refusals import OverLimit


class Quota:
    """Counts what each identity has. Who would have more than *most* is refused; who has some keeps it."""

    def __init__(self, most: int, what: str) -> None:
        self._most = most
        self._what = what
        self._had: dict[str, int] = {}

    def __len__(self) -> int:
        """How many identities have any."""
        return len(self._had)

    def taken(self, identity: str) -> "_Taken":
        """*identity* has one more within the block. Entering it raises OverLimit."""
        return _Taken(self, identity)

    def take(self, identity: str) -> None:
        """*identity* has one more. Raises OverLimit."""
        had = self._had.get(identity, 0)
        if had >= self._most:
            raise OverLimit(f"{identity} has {self._most} {self._what} already")
        self._had[identity] = had + 1

    def give_back(self, identity: str) -> None:
        """*identity* has one less."""
        if left := self._had[identity] - 1:
            self._had[identity] = left
        else:
            del self._had[identity]


class _Taken:
    """The block of one that was taken; a generator in its place would keep a frame for its whole life."""

    __slots__ = ("_identity", "_quota")

    def __init__(self, quota: Quota, identity: str) -> None:
        self._quota = quota
        self._identity = identity

    def __enter__(self) -> None:
        self._quota.take(self._identity)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._quota.give_back(self._identity)
