"""What is written down of a gateway that dies and comes back."""

from structlog.testing import capture_logs

from tests.kubernetes.whole import ALIVE, DEAD
from tests.support.clusters import GATEWAY, World, until


async def test_a_verdict_is_told_once_each_way(at: World) -> None:
    await at.link()
    await at.east.service()
    with capture_logs() as logs:
        async with at.mirroring():
            await until(at.west.addresses, lambda found: found == ALIVE)
            at.gateways.alive.clear()
            await until(at.west.addresses, lambda found: found == DEAD)
            at.gateways.alive.add(GATEWAY)
            await until(at.west.addresses, lambda found: found == ALIVE)
    told = [line for line in logs if line["event"] in ("gateway.alive", "gateway.dead")]
    assert [(line["event"], line["log_level"]) for line in told] == [
        ("gateway.alive", "info"),
        ("gateway.dead", "warning"),
        ("gateway.alive", "info"),
    ]
    assert told[1]["because"] == "connection refused"
    assert {(line["cluster"], line["address"]) for line in told} == {("east", f"{GATEWAY}:4143")}
