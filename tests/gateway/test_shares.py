"""Connections spread evenly over workers, and somebody always takes what comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.shares import Counts, Share, holds_too_many


@pytest.mark.parametrize(
    ("mine", "counts", "too_many"),
    [
        (0, [], False),
        (5, [5], False),
        (2, [2, 0], False),
        (4, [4, 0], False),
        (5, [5, 0], True),
        (114, [114, 86], False),
        (115, [115, 85], True),
        (230, [230, 170], True),
        (12, [12, 4, 4], True),
    ],
)
def test_who_leaves_the_listener_to_others(mine: int, counts: list[int], too_many: bool) -> None:
    assert holds_too_many(mine, counts) is too_many


@given(st.lists(st.integers(0, 100_000), min_size=1))
def test_somebody_always_takes_what_comes(counts: list[int]) -> None:
    assert not all(holds_too_many(count, counts) for count in counts)


def test_one_worker_alone_is_never_held_back() -> None:
    assert not holds_too_many(100_000, [100_000])


def test_workers_see_each_others_counts() -> None:
    made = Counts.made_for(3)
    assert made.serving == []
    first, second = (Share(Counts(made.descriptor, 3), number) for number in (0, 2))
    first.holds(10)
    second.holds(2)
    assert made.serving == [10, 2]
    assert (first.total, first.full, second.full) == (12, True, False)


def test_a_worker_that_is_gone_does_not_count() -> None:
    counts = Counts.made_for(2)
    one, other = Share(counts, 0), Share(counts, 1)
    one.holds(10)
    other.holds(0)
    before = one.full
    counts.forget(1)
    assert (before, one.full) == (True, False)
    one.withdraw()
    assert counts.serving == []
    assert counts.of(0) == 0


def test_a_page_has_room_for_so_many() -> None:
    with pytest.raises(ValueError, match="more than a page has room for"):
        Counts.made_for(100_000)
