"""
Endpoints that keep failing are passed over for a while, and come back on trial.

    standing --- the third failed connect in a row --> ejected
    ejected  --- its pause is over, a stream asks ---> on trial (others still pass it over)
    on trial --- connected ---> standing               on trial --- failed ---> ejected, for longer

An endpoint that is well takes no memory here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from process.address import Address
from process.backoff import Backoff

FAILURES = 3
"""Connects in a row that must fail."""

PAUSE = Backoff(first=2.0, most=60.0)
_TRIAL = 10.0
"""Seconds after which a trial of which nothing was heard makes room for another."""


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of an endpoint that has failed."""

    failures: int = 0
    """Connects that failed, in a row."""

    until: float | None = None
    """Passed over until then, on the loop's clock; None while it has not been ejected."""

    ejections: int = 0


def after_failure(health: Health, now: float, chance: float) -> Health:
    """What is known once a further connect has failed."""
    failures = health.failures + 1
    if failures < FAILURES and health.until is None:
        return replace(health, failures=failures)
    pause = PAUSE.delay(health.ejections, chance)
    return Health(failures, now + pause, health.ejections + 1)


def on_trial(health: Health, now: float) -> Health:
    """One stream tries it; until that has failed or succeeded, others pass it over."""
    return replace(health, until=now + _TRIAL)


class Ejections:
    """The endpoints that are passed over now."""

    def __init__(
        self,
        now: Callable[[], float],
        chance: Callable[[], float],
        *,
        changed: Callable[[Address, bool], None],
    ) -> None:
        """*changed* is told of an endpoint that is ejected (True) for the first time, or back (False)."""
        self._now = now
        self._chance = chance
        self._changed = changed
        self._known: dict[Address, Health] = {}

    def __bool__(self) -> bool:
        return bool(self._known)

    def __len__(self) -> int:
        """How many have been ejected and not come back."""
        return sum(health.until is not None for health in self._known.values())

    def __contains__(self, endpoint: object) -> bool:
        """Whether *endpoint* is to be passed over; one whose pause is over is not."""
        if not isinstance(endpoint, Address) or (health := self._known.get(endpoint)) is None:
            return False
        return health.until is not None and health.until > self._now()

    def tried(self, endpoint: Address) -> None:
        """A stream is about to try *endpoint*."""
        health = self._known.get(endpoint)
        if health is not None and health.until is not None and health.until <= self._now():
            self._known[endpoint] = on_trial(health, self._now())

    def failed(self, endpoint: Address) -> None:
        before = self._known.get(endpoint, Health())
        self._known[endpoint] = after_failure(before, self._now(), self._chance())
        if before.until is None and self._known[endpoint].until is not None:
            self._changed(endpoint, True)

    def succeeded(self, endpoint: Address) -> None:
        health = self._known.pop(endpoint, None)
        if health is not None and health.until is not None:
            self._changed(endpoint, False)

    def keep(self, endpoints: Iterable[Address]) -> None:
        """Forget all but *endpoints*: the others are in no route any more."""
        for gone in self._known.keys() - set(endpoints):
            del self._known[gone]
