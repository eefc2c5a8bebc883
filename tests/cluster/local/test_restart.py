"""The process form: its log line, its files, and that what was answered survives kill -9."""

import asyncio
import json
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cluster import kubeconfig
from cluster.access import Access
from cluster.client import Cluster
from cluster.errors import Unreachable
from cluster.kinds import CONFIG_MAP, NAMESPACE, SERVICE, SERVICE_ACCOUNT
from cluster.local import LocalCluster
from cluster.local.journal import Unusable
from tests.support.cluster import local_cluster
from tests.support.http_api import HttpApi

MAPS = "/api/v1/namespaces/default/configmaps"


def config_map(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}}


async def start(tmp_path: Path, **changed: str) -> asyncio.subprocess.Process:
    """`jackstay local-cluster` with a data file; *changed* are options that differ."""
    options = {
        "name": "east",
        "listen": "127.9.1.1:0",
        "service-range": "127.9.1.0/24",
        "data": str(tmp_path / "data"),
        "kubeconfig": str(tmp_path / "kubeconfig"),
        "log-format": "json",
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "cli", "local-cluster"),
        *(part for name, value in options.items() for part in (f"--{name}", value)),
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])},
    )


@asynccontextmanager
async def running(tmp_path: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, Access]]:
    """The process, ready, and how it is reached; killed if it still runs at the end."""
    process = await start(tmp_path)
    try:
        assert process.stderr is not None
        async with asyncio.timeout(60):
            ready = json.loads(await process.stderr.readline())
        assert ready["event"] == "local_cluster.ready"
        access = kubeconfig.local(tmp_path / "kubeconfig", "east")
        assert access.server == f"https://{ready['listen']}"
        yield process, access
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_after_kill_9_everything_is_as_it_was(tmp_path: Path) -> None:
    async with running(tmp_path) as (server, access), Cluster(access) as client:
        await client.create(SERVICE_ACCOUNT, config_map("app"))
        token = await client.create_token("default", "app", seconds=600)
        web = {**config_map("web"), "spec": {"ports": [{"port": 80}]}}
        made = await client.create(SERVICE, web)
        for number in range(50):
            last = await client.create(CONFIG_MAP, config_map(f"m{number}"))
        await client.delete(CONFIG_MAP, "default", "m0")
        system = await client.get(NAMESPACE, None, "kube-system")
        server.send_signal(signal.SIGKILL)
        await server.wait()
    async with running(tmp_path) as (_, again), Cluster(again) as client:
        assert again == access
        assert await client.get(SERVICE, "default", "web") == made
        assert await client.get(NAMESPACE, None, "kube-system") == system
        listing = await client.list(CONFIG_MAP, namespace="default")
        assert len(listing.items) == 49
        assert int(listing.resource_version) > int(last["metadata"]["resourceVersion"])
        assert (await client.review_token(token.token, ())).authenticated
        new = await client.create(CONFIG_MAP, config_map("new"))
        assert int(new["metadata"]["resourceVersion"]) > int(listing.resource_version)


async def test_sigterm_ends_it_cleanly(tmp_path: Path) -> None:
    async with running(tmp_path) as (server, access):
        assert stat.S_IMODE((tmp_path / "kubeconfig").stat().st_mode) == 0o600
        server.terminate()
        async with asyncio.timeout(60):
            assert await server.wait() == 0
        async with Cluster(access) as client:
            with pytest.raises(Unreachable):
                await client.version()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"service_range": "10.0.0.0/24"}, "127.0.0.0/8"),
        ({"listen": "127.9.1.2"}, "has no port"),
        ({"data": "/dev/null/data"}, "Not a directory"),
    ],
    ids=repr,
)
async def test_wrong_use_is_said_in_a_sentence(tmp_path: Path, change: dict[str, str], sentence: str) -> None:
    process = await start(tmp_path, **change)
    _, said = await process.communicate()
    assert process.returncode in (1, 2)
    assert sentence in " ".join(said.decode().split())
    assert "Traceback" not in said.decode()


async def test_two_cannot_share_a_data_file(tmp_path: Path) -> None:
    async with local_cluster(data=tmp_path / "data"):
        with pytest.raises(Unusable, match="in use"):
            await LocalCluster(data=tmp_path / "data").__aenter__()


async def test_a_watch_goes_on_from_the_last_version_and_older_ones_get_410(tmp_path: Path) -> None:
    async with local_cluster(data=tmp_path / "data") as cluster, HttpApi(cluster) as api:
        old = (await api.ask("GET", MAPS)).body["metadata"]["resourceVersion"]
        await api.ask("POST", MAPS, config_map("a"))
        last = (await api.ask("GET", MAPS)).body["metadata"]["resourceVersion"]
    async with local_cluster(data=tmp_path / "data") as cluster, HttpApi(cluster) as api, asyncio.timeout(60):
        await api.ask("POST", MAPS, config_map("b"))
        async with api.watch(f"{MAPS}?watch=1&resourceVersion={last}") as events:
            event = await anext(events)
            assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "b")
        async with api.watch(f"{MAPS}?watch=1&resourceVersion={old}") as events:
            assert [event["object"]["code"] async for event in events] == [410]
