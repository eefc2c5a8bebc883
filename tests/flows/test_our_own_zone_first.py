"""Endpoints of the gateway's own zone get the connections, and the others what those do not take."""

from pathlib import Path

from tests.flows.test_both_ends_from_files import echo
from tests.support.tunnelled import Way, backend, tunnelled

OURS = ("--zone", "a")
CALLS = 10
"""At random all of them would go to one of two once in a thousand runs."""


async def test_a_zone_that_is_ours_gets_all_and_a_file_that_changes_says_which(tmp_path: Path) -> None:
    async with (
        backend(echo) as near,
        backend(echo) as far,
        tunnelled(
            tmp_path, far.address, near.address, routes='zones = ["b", "a"]', gateway_flags=OURS
        ) as way,
    ):
        await call(way)
        assert (near.connections, far.connections) == (CALLS, 0)
        way.write_routes(far.address, near.address, more='zones = ["a", "b"]')
        await way.gateway.logged("file.loaded")
        await call(way)
        assert (near.connections, far.connections) == (CALLS, CALLS)


async def test_where_ours_takes_none_the_others_get_them(tmp_path: Path) -> None:
    async with backend(echo) as near:
        gone = near.address
    async with (
        backend(echo) as far,
        tunnelled(tmp_path, gone, far.address, routes='zones = ["a", "b"]', gateway_flags=OURS) as way,
    ):
        await call(way)  # before it is passed over, and then
        assert far.connections == CALLS
        (told,) = await way.gateway.logged("endpoint.ejected")
        assert told["endpoint"] == gone


async def call(way: Way) -> None:
    for _ in range(CALLS):
        await way.echoes(b"who is it")
