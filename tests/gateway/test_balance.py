"""Which endpoint gets a stream: none is left out, none twice, and the fuller of two is second."""

import random
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.balance import Chance, Loads, candidates, order
from gateway.routes import Route
from process.address import Address

ENDPOINTS = st.lists(st.integers(1, 200), unique=True, max_size=8).map(
    lambda ports: [Address("10.0.0.1", port) for port in ports]
)


def chances(*numbers: float) -> Chance:
    """Those numbers, one after the other."""
    return iter(numbers).__next__


@given(ENDPOINTS, st.dictionaries(st.integers(1, 200), st.integers(0, 5)), st.integers())
def test_every_endpoint_is_tried_once_and_the_less_loaded_of_two_first(
    endpoints: list[Address], streams: dict[int, int], seed: int
) -> None:
    asked: list[Address] = []

    def load(endpoint: Address) -> int:
        asked.append(endpoint)
        return streams.get(endpoint.port, 0)

    tried = list(order(endpoints, load, random.Random(seed).random))
    assert sorted(tried) == sorted(endpoints)
    if len(endpoints) > 1:
        assert len(asked) == len(set(asked)) == 2
        assert streams.get(tried[0].port, 0) == min(streams.get(one.port, 0) for one in asked)


def test_of_two_that_carry_the_same_the_first_drawn_is_taken() -> None:
    endpoints = [Address("10.0.0.1", 1), Address("10.0.0.2", 1)]
    assert list(order(endpoints, lambda _: 3, chances(0.9, 0.0, 0.0))) == endpoints[::-1]
    assert list(order(endpoints, lambda _: 3, chances(0.0, 0.0, 0.0))) == endpoints


def a_route(*ports: int, near: tuple[int, ...] = (), sticky: bool = False) -> Route:
    at = {port: Address("10.0.0.1", port) for port in ports}
    return Route("podinfo.test.svc.cluster.local", 80, tuple(at.values()),
                 near=tuple(at[port] for port in near), sticky=sticky)  # fmt: skip


def ports(route: Route, caller: str = "", ejected: tuple[int, ...] = ()) -> list[int]:
    out = {Address("10.0.0.1", port) for port in ejected}
    chosen = candidates(route, caller, load=lambda _: 0, ejected=out, chance=random.Random(3).random)
    return [endpoint.port for endpoint in chosen]


def test_endpoints_nearby_come_first_and_the_others_after_them() -> None:
    tried = ports(a_route(1, 2, 3, 4, near=(2, 4)))
    assert set(tried[:2]) == {2, 4}
    assert sorted(tried) == [1, 2, 3, 4]


def test_what_is_ejected_comes_last_also_if_it_is_near() -> None:
    tried = ports(a_route(1, 2, 3, 4, near=(2, 4)), ejected=(2, 3))
    assert tried[:2] == [4, 1]
    assert set(tried[2:]) == {2, 3}


def test_where_all_are_ejected_all_are_tried() -> None:
    assert sorted(ports(a_route(1, 2, 3), ejected=(1, 2, 3))) == [1, 2, 3]


@given(st.sets(st.integers(1, 60000), min_size=2, max_size=20), st.text(max_size=20))
def test_a_caller_keeps_its_endpoint_whatever_becomes_of_the_others(found: set[int], caller: str) -> None:
    first = ports(a_route(*found, sticky=True), caller)
    assert sorted(first) == sorted(found)
    assert ports(a_route(*reversed(first), sticky=True), caller) == first
    without_last = first[:-1]
    assert ports(a_route(*without_last, sticky=True), caller) == without_last


def test_callers_are_spread_over_the_endpoints() -> None:
    route = a_route(*range(1, 6), sticky=True)
    firsts = [ports(route, f"caller-{number}")[0] for number in range(500)]
    assert all(60 <= firsts.count(port) <= 140 for port in range(1, 6))


def test_two_random_choices_spread_streams_evenly() -> None:
    endpoints = [Address("10.0.0.1", port) for port in range(10)]
    loads, chance = Loads(), random.Random(7)
    with ExitStack() as streams:
        for _ in range(1000):
            first = next(order(endpoints, loads.of, chance.random))
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
