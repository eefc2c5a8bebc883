"""How many connections are held depends on the descriptors."""

import pytest

from benchmarks.held import bounded, reachable

STEPS = (100, 4000, 8000)


@pytest.mark.parametrize(
    ("available", "expected"),
    [(1 << 20, STEPS), (24_300, STEPS), (20_000, (100, 4000, 6500)), (4096, (100, 1200)), (256, (100,))],
)
def test_steps_end_where_the_descriptors_do(available: int, expected: tuple[int, ...]) -> None:
    assert reachable(STEPS, available) == expected


def test_a_bound_is_said_with_what_lifts_it() -> None:
    assert bounded(STEPS, 24_300) == ""
    assert "6,500 connections instead of 8,000" in bounded(STEPS, 20_000)
    assert bounded(STEPS, 20_000).endswith("ulimit -n 24300")
