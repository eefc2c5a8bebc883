"""How long to wait before trying again."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Growing pauses, in seconds: *first*, then *factor* times as long each time, never over *most*."""

    first: float
    most: float
    factor: float = 2.0

    def delay(self, attempt: int, chance: float) -> float:
        """
        The pause before try number *attempt* + 1; attempt 0 is the first failure.

        *chance*, from [0, 1), spreads it over the upper half of the range, so that many who
        failed together do not come back together.
        """
        # The exponent is bounded, since a float overflows after a thousand failures.
        longest = min(self.most, self.first * self.factor ** min(attempt, 64))
        return longest * (0.5 + chance / 2)
