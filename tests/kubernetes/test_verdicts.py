"""What is written down of a gateway that dies and comes back."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from cluster.kinds import ENDPOINTS
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


async def test_a_gateway_that_does_not_answer_holds_the_first_mirrors_back_for_a_while_only(
    at: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silence(*_: Any, **__: Any) -> float:
        await asyncio.Event().wait()
        return 0.0

    monkeypatch.setattr("mirror.worker.FIRST_ANSWER", 0.2)
    monkeypatch.setattr(at, "gateways", silence)
    await at.east.service()
    await at.link(probeSpec={"path": "/ready", "port": "4191", "period": "1h", "timeout": "1h"})
    async with at.mirroring():
        await until(at.west.addresses, lambda found: found == DEAD)
    raw = await at.west.find(ENDPOINTS, "podinfo-east")
    assert raw is not None
    assert raw["metadata"]["annotations"]["jackstay.io/reason"] == "GatewayNotProbedYet"
