from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.schedule import LEAST, MOST, soon, when_to_renew, when_to_try_again

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CHANCES = st.floats(0, 1, exclude_max=True)
LIVES = st.floats(-1e6, 1e9)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("left", "chance", "seconds"),
    [
        (3600, 0.5, 0.7 * 3600),
        (3600, 0.0, 0.65 * 3600),
        (24 * 3600, 0.5, 0.7 * 24 * 3600),
        (10 * 24 * 3600, 0.5, 24 * 3600),  # no more than a day
        (14, 0.0, 10),  # no less than ten seconds
        (1, 0.5, 10),
        (0, 0.5, 10),
        (-3600, 0.5, 10),
    ],
)
def test_renewal_comes_at_seven_tenths_of_what_is_left(left: float, chance: float, seconds: float) -> None:
    assert when_to_renew(after(left), NOW, chance) == pytest.approx(seconds)


@given(LIVES, CHANCES)
def test_renewal_is_never_hasty_and_never_far(left: float, chance: float) -> None:
    assert LEAST <= when_to_renew(after(left), NOW, chance) <= MOST


@given(st.floats(LEAST / 0.6, 1e9), CHANCES)
def test_renewal_comes_before_the_end(left: float, chance: float) -> None:
    assert when_to_renew(after(left), NOW, chance) <= 0.75 * left + 1e-3


@given(st.floats(60, 30 * 86400), st.lists(CHANCES, min_size=21, max_size=21))
def test_many_tries_fit_between_the_renewal_and_the_end(life: float, chances: list[float]) -> None:
    at = when_to_renew(after(life), NOW, chances[0])
    for failures, chance in enumerate(chances[1:], 1):
        assert at < life, f"only {failures} tries"
        at += when_to_try_again(failures, after(life), after(at), chance)


@given(st.integers(1, 10**6), st.none() | LIVES, CHANCES)
def test_a_pause_is_bounded_both_ways(failures: int, left: float | None, chance: float) -> None:
    not_after = None if left is None else after(left)
    assert 0.5 <= when_to_try_again(failures, not_after, NOW, chance) <= 300


@given(st.integers(1, 1000), st.none() | LIVES, CHANCES)
def test_pauses_grow(failures: int, left: float | None, chance: float) -> None:
    not_after = None if left is None else after(left)
    one, next_one = (when_to_try_again(failures + more, not_after, NOW, chance) for more in (0, 1))
    assert one <= next_one


@given(st.integers(1, 1000), st.none() | LIVES)
def test_those_who_failed_together_do_not_come_together(failures: int, left: float | None) -> None:
    not_after = None if left is None else after(left)
    early, late = (when_to_try_again(failures, not_after, NOW, chance) for chance in (0.0, 0.999))
    assert late > 1.9 * early


@pytest.mark.parametrize("left", [None, -1.0, 0.0])
def test_who_has_no_valid_certificate_tries_at_least_every_ten_seconds(left: float | None) -> None:
    not_after = None if left is None else after(left)
    assert when_to_try_again(1000, not_after, NOW, 0.999) <= 10


@given(st.integers(1, 1000), st.none() | LIVES, CHANCES, st.floats(0, 300))
def test_what_the_service_asks_for_is_kept(
    failures: int, left: float | None, chance: float, told: float
) -> None:
    not_after = None if left is None else after(left)
    assert when_to_try_again(failures, not_after, NOW, chance, told=told) > told


@pytest.mark.parametrize("told", [1e9, float("inf")])
def test_nobody_makes_us_wait_for_ever(told: float) -> None:
    assert when_to_try_again(1000, after(1e6), NOW, 0.999, told=told) <= 600


def test_when_all_come_at_once_they_are_spread() -> None:
    assert (soon(0.0), soon(0.5)) == (0.0, 5.0)
