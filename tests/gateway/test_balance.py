"""Which endpoint gets a stream: none is left out, none twice, and the fuller of two is second."""

import random
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.balance import Loads, order
from process.address import Address

ENDPOINTS = st.lists(st.integers(1, 200), unique=True, max_size=8).map(
    lambda ports: [Address("10.0.0.1", port) for port in ports]
)


@given(ENDPOINTS, st.dictionaries(st.integers(1, 200), st.integers(0, 5)))
def test_every_endpoint_is_tried_once_and_the_less_loaded_of_two_first(
    endpoints: list[Address], streams: dict[int, int]
) -> None:
    def load(endpoint: Address) -> int:
        return streams.get(endpoint.port, 0)

    tried = list(order(endpoints, load))
    assert sorted(tried) == sorted(endpoints)
    if endpoints:
        assert load(tried[0]) == min(map(load, endpoints[:2]))
        assert tried[1:] == [endpoint for endpoint in endpoints if endpoint != tried[0]]


def test_of_two_that_carry_the_same_the_first_is_taken() -> None:
    endpoints = [Address("10.0.0.1", 1), Address("10.0.0.2", 1)]
    assert list(order(endpoints, lambda _: 3)) == endpoints


def test_the_load_is_asked_of_two_only() -> None:
    endpoints = [Address("10.0.0.1", port) for port in range(1, 1001)]
    asked: list[Address] = []

    def load(endpoint: Address) -> int:
        asked.append(endpoint)
        return 0

    assert next(order(endpoints, load)) == endpoints[0]
    assert asked == endpoints[:2]


def test_two_random_choices_spread_streams_evenly() -> None:
    endpoints = [Address("10.0.0.1", port) for port in range(10)]
    loads, chance = Loads(), random.Random(7)
    with ExitStack() as streams:
        for _ in range(1000):
            first = next(order(chance.sample(endpoints, len(endpoints)), loads.of))
            streams.enter_context(loads.counted(first))
        carried = [loads.of(endpoint) for endpoint in endpoints]
        assert sum(carried) == 1000
        assert max(carried) - min(carried) <= 6
    assert [loads.of(endpoint) for endpoint in endpoints] == [0] * 10


def test_a_stream_that_fails_is_counted_off_too() -> None:
    loads, endpoint = Loads(), Address("10.0.0.1", 80)

    def failing() -> None:
        with loads.counted(endpoint), loads.counted(endpoint):
            assert loads.of(endpoint) == 2
            raise ConnectionError

    with pytest.raises(ConnectionError):
        failing()
    assert loads.of(endpoint) == 0


def test_endpoints_that_carry_nothing_take_no_memory() -> None:
    loads = Loads()
    for port in range(1, 100):
        with loads.counted(Address("10.0.0.1", port)):
            loads.of(Address("10.0.0.2", port))
    assert loads._streams == {}
