"""Trouble that lasts is told when it begins, when it becomes another, and then only now and again."""

import time
from collections.abc import Callable

EVERY = 300.0
"""Seconds after which the same trouble is told once more."""


class Retelling:
    """What was told last, and when."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: str | None = None
        self._again_at = 0.0

    def is_due(self, trouble: str) -> bool:
        """Whether *trouble* is worth telling now; then it counts as told."""
        now = self._clock()
        if trouble == self._told and now < self._again_at:
            return False
        self._told, self._again_at = trouble, now + EVERY
        return True

    def over(self) -> bool:
        """All is well; what comes next is new. Returns whether anything had been told."""
        had, self._told = self._told is not None, None
        return had
