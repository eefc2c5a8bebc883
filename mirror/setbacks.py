"""Mirrors that could not be written: when to try again, and why they could not. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cluster.errors import ClusterError, Conflict, TooManyRequests
from cluster.objects import Key
from process.backoff import Backoff

PAUSES = Backoff(first=0.1, most=30.0)

ORDINARY = 3
"""So many conflicts in a row are what happens when two look at the same thing; more are worth telling."""


@dataclass(frozen=True, slots=True)
class Setback:
    """What went wrong with one mirror, how often in a row, and when to try again."""

    error: ClusterError
    attempts: int
    until: float

    @property
    def worth_telling(self) -> bool:
        return not isinstance(self.error, Conflict) or self.attempts > ORDINARY


Setbacks = Mapping[Key, Setback]


def after(
    setbacks: Setbacks, done: Iterable[Key], failed: Mapping[Key, ClusterError], *, now: float, chance: float
) -> Setbacks:
    """The setbacks once those mirrors were *done* and those *failed*."""
    left = {key: setback for key, setback in setbacks.items() if key not in set(done)}
    for key, error in failed.items():
        attempts = left[key].attempts + 1 if key in left else 1
        pause = PAUSES.delay(attempts - 1, chance)
        if isinstance(error, TooManyRequests):
            pause = max(pause, error.retry_after)
        left[key] = Setback(error, attempts, now + pause)
    return left


def holding(setbacks: Setbacks, now: float) -> frozenset[Key]:
    """The mirrors whose time to be tried again has not come."""
    return frozenset(key for key, setback in setbacks.items() if setback.until > now)


def next_try(setbacks: Setbacks, now: float) -> float | None:
    """When the first of those that are held is due."""
    return min((setback.until for setback in setbacks.values() if setback.until > now), default=None)
