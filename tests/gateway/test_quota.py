"""What one identity may have at once."""

from contextlib import ExitStack

import pytest

from gateway.quota import Quota
from gateway.refusals import OverLimit, Reason


def test_who_has_its_share_is_refused_more_and_keeps_what_it_has() -> None:
    quota = Quota(2, "streams")
    with ExitStack() as had:
        for _ in range(2):
            had.enter_context(quota.taken("web"))
        with pytest.raises(OverLimit, match="web has 2 streams already") as refused, quota.taken("web"):
            pytest.fail("it is refused")
        assert refused.value.reason is Reason.LIMIT
        with quota.taken("api"):
            assert len(quota) == 2
    with quota.taken("web"):
        assert len(quota) == 1


def test_what_is_given_back_by_an_error_is_given_back_and_costs_no_memory() -> None:
    quota = Quota(1, "streams")
    for number in range(100):
        with pytest.raises(ConnectionError), quota.taken(f"web-{number}"):
            raise ConnectionError
    assert len(quota) == 0
