"""The API server of the other cluster is away: nothing changes here, and what is told of it is true."""

from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from process.address import Address
from tests.kubernetes.whole import ALIVE, answer, reachable, stands
from tests.support.clusters import QUICK, Site, World, until
from tests.support.relay import Relay

SOON = replace(QUICK, hiccup=0.3, patience=0.6)


@pytest.fixture
async def relay(at: World) -> AsyncIterator[Relay]:
    """In front of the API server of east."""
    server = urlsplit(at.east.access.server)
    assert server.hostname is not None
    assert server.port is not None
    async with Relay(Address(server.hostname, server.port)) as relay:
        yield relay


@pytest.fixture
def north(at: World, relay: Relay) -> Site:
    """East as a Link sees it through the relay; the test itself goes straight there."""
    return Site(replace(at.east.access, server=f"https://{relay.address}"), at.east.api)


async def test_while_the_other_api_is_away_everything_stays(at: World, relay: Relay, north: Site) -> None:
    await north.service()
    await at.link("north", to=north)
    async with at.mirroring():
        await until(lambda: at.west.addresses("podinfo-north"), lambda found: found == ALIVE)
        await stands(at, "Synced", "True", link="north")
        before = await at.mirror("podinfo-north")
        await relay.leave()
        await stands(at, "RemoteReachable", "False", "Unreachable", link="north")
        assert await at.mirror("podinfo-north") == before
        assert await at.west.addresses("podinfo-north") == ALIVE
        await relay.come_back()
        await stands(at, "RemoteReachable", "True", link="north")
        await north.export(exported=False)
        await until(lambda: at.mirror("podinfo-north"), lambda found: found is None)


async def test_an_outage_is_written_and_told_once_and_so_is_its_end(
    at: World, relay: Relay, north: Site
) -> None:
    await at.link("north", to=north)
    with capture_logs() as told:
        async with at.mirroring(SOON):
            await stands(at, "RemoteReachable", "True", link="north")
            await relay.leave()
            await stands(at, "Synced", "Unknown", "RemoteUnreachable", link="north")
            first = (await at.status("north"))["conditions"]
            failures = [line for line in told if line["event"] == "informer.failed"]
            await until(
                lambda: answer([line for line in told if line["event"] == "informer.failed"]),
                lambda lines: len(lines) > len(failures) + 8,
            )
            assert (await at.status("north"))["conditions"] == first
            await relay.come_back()
            await stands(at, "RemoteReachable", "True", link="north")
    lines = [line for line in told if line["log_level"] != "debug" and line.get("cluster") == "north"]
    away, back = (line for line in lines if not line["event"].startswith("gateway."))
    why = f"north: its API server {north.access.server} cannot be reached: Connection refused"
    assert (away["log_level"], away["event"], away["because"]) == ("warning", "remote.away", why)
    assert (back["log_level"], back["event"]) == ("info", "remote.back")
    assert (away["link"], away["server"]) == (back["link"], back["server"]) == ("north", north.access.server)
    assert back["seconds"] > 0


async def test_while_the_other_api_is_away_for_long_nobody_claims_that_the_mirrors_are_true(
    at: World, relay: Relay, north: Site
) -> None:
    await north.service()
    await at.link("north", to=north)
    async with at.mirroring(SOON):
        await stands(at, "Synced", "True", "Synced", link="north")
        before = await at.mirror("podinfo-north")
        await relay.leave()
        await stands(at, "Synced", "Unknown", "RemoteUnreachable", link="north")
        assert await at.mirror("podinfo-north") == before
        assert await at.west.addresses("podinfo-north") == ALIVE
    async with at.mirroring(SOON):  # one that has never seen the other cluster knows no better
        await until(lambda: answer(reachable(at, "north")), lambda found: found == 0.0)
        assert await at.condition("Synced", "north") == ("Unknown", "RemoteUnreachable")
        assert await at.mirror("podinfo-north") == before
        await relay.come_back()
        await stands(at, "Synced", "True", "Synced", link="north")
        assert await at.mirror("podinfo-north") == before
