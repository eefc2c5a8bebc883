import pytest

from cluster.errors import AlreadyExists, ClusterError, Conflict, ServerFault, TooManyRequests, from_status


@pytest.mark.parametrize("status", range(300, 600))
def test_every_status_has_an_error_with_a_reason(status: int) -> None:
    error = from_status(status, "east: get services: no")
    assert str(error) == "east: get services: no"
    assert error.reason != ClusterError.reason


def test_the_reason_tells_the_two_conflicts_apart() -> None:
    assert type(from_status(409, "", reason="AlreadyExists")) is AlreadyExists
    assert type(from_status(409, "", reason="Conflict")) is Conflict
    assert type(from_status(500, "", reason="AlreadyExists")) is ServerFault


def test_being_asked_to_wait_says_how_long() -> None:
    error = from_status(429, "", retry_after=7.0)
    assert isinstance(error, TooManyRequests)
    assert error.retry_after == 7.0
