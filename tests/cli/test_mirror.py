"""`jackstay mirror` as a process: it starts, tells, outlives being killed, and ends."""

import signal
from pathlib import Path

import aiohttp
import pytest
import typer
from typer.testing import CliRunner

from cli import mirror
from cli.errors import CliError
from cluster.kinds import LEASE
from cluster.objects import Service
from tests.support.clusters import World, until, world
from tests.support.pki import Pki
from tests.support.processes import processes

PKI = Pki.make()
NOBODY = "127.9.9.9"
"""Where the real probe finds nobody."""

APP = typer.Typer()
APP.command()(mirror.command)


def flags(directory: Path, at: World) -> list[str]:
    kubeconfig = directory / "west.yaml"
    kubeconfig.write_bytes(at.west.kubeconfig)
    return [
        *("mirror", "--kubeconfig", str(kubeconfig), "--context", "west", "-n", "jackstay"),
        *PKI.leaf("jackstay-mirror.jackstay").write(directory, "mirror").flags,
        *("--admin", "127.0.0.1:0", "--allow-loopback", "--log-format", "json"),
    ]


async def fetched(admin: str, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{admin}{path}") as response:
        return response.status, await response.text()


async def test_it_mirrors_tells_how_it_goes_and_ends_when_asked(tmp_path: Path) -> None:
    async with world() as at, processes(tmp_path) as started:
        await at.link(gatewayAddress=NOBODY)
        await at.east.service()
        running = await started.start(*flags(tmp_path, at))
        found: Service | None = await until(at.mirror, lambda found: found is not None)
        assert found is not None
        # Nobody listens at the gateway's address: the real probe says so.
        await until(lambda: at.condition("GatewayAlive"), lambda found: found == ("False", "NotAnswering"))
        assert await at.west.addresses() == ([], [NOBODY])
        admin = running.ready["admin"]
        assert await fetched(admin, "/ready") == (200, "ready\n")
        assert 'gateway_alive{target_cluster_name="east"} 0.0' in (await fetched(admin, "/metrics"))[1]
        running.signal(signal.SIGTERM)
        assert await running.ended() == 0
        lease = await at.west.api.get(LEASE, "jackstay", "jackstay-mirror")
        assert not lease["spec"].get("holderIdentity")


async def test_killed_and_started_again_it_goes_on_without_waiting_for_its_own_lease(tmp_path: Path) -> None:
    async with world() as at, processes(tmp_path) as started:
        await at.link(gatewayAddress=NOBODY)
        await at.east.service()
        first = await started.start(*flags(tmp_path, at))
        await until(at.mirror, lambda found: found is not None)
        first.signal(signal.SIGKILL)
        await first.ended()
        await at.east.export(exported=False)
        await started.start(*flags(tmp_path, at))
        await until(at.mirror, lambda found: found is None, seconds=8)


@pytest.mark.parametrize("missing", ["mirror.crt", "mirror.key", "mirror-root.crt", "west.yaml"])
async def test_a_file_that_is_missing_is_named(tmp_path: Path, missing: str) -> None:
    async with world() as at:
        arguments = flags(tmp_path, at)[1:]
    (tmp_path / missing).unlink()
    result = CliRunner().invoke(APP, arguments)
    assert isinstance(result.exception, CliError), result.output
    assert missing in str(result.exception)


def test_without_trust_anchors_it_says_which_option_is_missing() -> None:
    result = CliRunner().invoke(APP, [])
    assert result.exit_code == 2
    assert "--trust-anchors" in result.output
