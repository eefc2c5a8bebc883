import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.rate_limit import Bucket, Rate, RateLimit, take

RATE = Rate(per_second=2, burst=3)


@pytest.mark.parametrize(
    ("bucket", "now", "after", "wait"),
    [
        (None, 10, Bucket(2, 10), 0),
        (Bucket(2, 10), 10, Bucket(1, 10), 0),
        (Bucket(1, 10), 10, Bucket(0, 10), 0),
        (Bucket(0, 10), 10, Bucket(0, 10), 0.5),
        (Bucket(0, 10), 10.25, Bucket(0.5, 10.25), 0.25),
        (Bucket(0, 10), 10.5, Bucket(0, 10.5), 0),
        (Bucket(0, 10), 1000, Bucket(2, 1000), 0),  # never more than full
        (Bucket(1.5, 10), 9, Bucket(0.5, 9), 0),  # a clock that goes back gives nothing
    ],
)
def test_a_bucket_fills_and_is_taken_from(
    bucket: Bucket | None, now: float, after: Bucket, wait: float
) -> None:
    assert take(bucket, RATE, now) == (after, wait)


@given(
    st.lists(st.floats(0, 5), max_size=200),
    st.floats(0.1, 100),
    st.integers(1, 50),
)
def test_nobody_gets_more_than_burst_and_rate_allow(
    pauses: list[float], per_second: float, burst: int
) -> None:
    rate, now, passed, bucket = Rate(per_second, burst), 0.0, 0, None
    for pause in pauses:
        now += pause
        bucket, wait = take(bucket, rate, now)
        passed += wait == 0
        assert passed <= burst + now * per_second + 1e-6
        if wait:
            assert take(bucket, rate, now + wait + 1e-9)[1] == pytest.approx(0, abs=1e-6)


def test_each_account_has_its_own() -> None:
    limit: RateLimit[str] = RateLimit(Rate(0.3, 1))
    assert [limit.wait("web", 0), limit.wait("web", 0), limit.wait("api", 0)] == [0, 4, 0]
    assert limit.wait("web", 4) == 0


def test_what_is_remembered_is_bounded_and_those_who_ask_now_stay() -> None:
    limit: RateLimit[int] = RateLimit(Rate(0.001, 1), most_known=100)
    for number in range(1000):
        limit.wait(number, 0)
        if number >= 7:
            assert limit.wait(7, 0) == 1000
    assert len(limit) == 100
    assert limit.wait(7, 0) > 0
    assert limit.wait(1, 0) == 0  # forgotten, and so has its full share again
