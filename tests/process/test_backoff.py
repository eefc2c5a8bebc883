"""Pauses that grow, and are spread."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process.backoff import Backoff

CHANCE = st.floats(0, 1, exclude_max=True)
BACKOFF = st.builds(Backoff, first=st.floats(0.001, 10), most=st.floats(10, 1000), factor=st.floats(1.5, 10))


def test_pauses_double_up_to_the_most() -> None:
    backoff = Backoff(first=1.0, most=10.0)
    assert [backoff.delay(attempt, 1.0) for attempt in range(6)] == [1, 2, 4, 8, 10, 10]
    assert [backoff.delay(attempt, 0.0) for attempt in range(6)] == [0.5, 1, 2, 4, 5, 5]


@given(BACKOFF, st.integers(0, 10**9), CHANCE)
def test_a_pause_is_never_over_the_most_nor_under_half_of_the_first(
    backoff: Backoff, attempt: int, chance: float
) -> None:
    assert backoff.first / 2 <= backoff.delay(attempt, chance) <= backoff.most


@given(BACKOFF, st.integers(0, 200), CHANCE)
def test_no_later_pause_is_shorter_by_the_same_chance(backoff: Backoff, attempt: int, chance: float) -> None:
    assert backoff.delay(attempt + 1, chance) >= backoff.delay(attempt, chance)


@given(BACKOFF, CHANCE)
def test_after_many_failures_it_is_the_most(backoff: Backoff, chance: float) -> None:
    assert backoff.delay(10_000, chance) == pytest.approx(backoff.most * (0.5 + chance / 2))


@given(BACKOFF, st.integers(0, 100))
def test_chance_spreads_over_the_upper_half(backoff: Backoff, attempt: int) -> None:
    longest = backoff.delay(attempt, 1.0)
    assert backoff.delay(attempt, 0.0) == pytest.approx(longest / 2)
    assert backoff.delay(attempt, 0.5) == pytest.approx(longest * 0.75)
