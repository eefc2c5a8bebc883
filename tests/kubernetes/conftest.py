"""The API servers that the tests here are asked of: our small one, and real ones where there are any."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cluster.client import Cluster
from cluster.kinds import NAMESPACE
from mirror.credentials import access
from tests.support.cluster import local_cluster
from tests.support.clusters import World, between, world
from tests.support.definitions import defined
from tests.support.emptied import empty
from tests.support.real_api import HOW_TO_GET_THEM, RealApi, assets, real_api

WHERE = ("local", "real")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "only_on(where, because): the server that this is asked of; see differences.py"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test is asked of both, but for those that a difference on the list ties to one."""
    if "where" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("only_on")
        metafunc.parametrize("where", only.args if only else WHERE, indirect=True)


@pytest.fixture
def where(request: pytest.FixtureRequest) -> str:
    """ "local" or "real"."""
    return str(request.param)


@pytest.fixture(scope="session")
def real_west(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealApi]:
    """One real API server for all tests."""
    with a_real_one("west", tmp_path_factory) as api:
        yield api


@pytest.fixture(scope="session")
def real_east(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealApi]:
    """Another, for tests of two clusters."""
    with a_real_one("east", tmp_path_factory) as api:
        yield api


@contextmanager
def a_real_one(name: str, paths: pytest.TempPathFactory) -> Iterator[RealApi]:
    binaries = assets()
    if binaries is None:
        pytest.skip(HOW_TO_GET_THEM)
    with real_api(binaries, Path(paths.mktemp(f"real-{name}")), name=name) as api:
        yield api


@pytest.fixture
async def cluster(where: str, request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    """A client of the administrator. Tests keep apart by namespace."""
    if where == "real":
        api: RealApi = request.getfixturevalue("real_west")
        await api.ready()
        async with Cluster(api.access) as cluster:
            await defined(cluster)
            yield cluster
    else:
        async with local_cluster() as small, Cluster(small.access) as cluster:
            await defined(cluster)
            yield cluster


@pytest.fixture
async def namespace(cluster: Cluster) -> str:
    name = f"contract-{secrets.token_hex(4)}"
    await cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest.fixture(name="at")
async def two_clusters(where: str, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """East and west, with nothing in them but the namespaces test and jackstay."""
    if where == "real":
        pair: list[RealApi] = [request.getfixturevalue(f"real_{name}") for name in ("east", "west")]
        await asyncio.gather(*(as_new(api) for api in pair))
        async with between(*(api.access for api in pair)) as made:
            yield made
    else:
        async with world() as made:
            yield made


async def as_new(api: RealApi) -> None:
    await api.ready()
    async with Cluster(api.access) as cluster:
        await defined(cluster)
    await empty(api.access, keep=("test", "jackstay"))


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When workers looked at their Link and its Secret."""
    times: list[float] = []

    def noted(*args: Any, **more: Any) -> Any:
        times.append(time.monotonic())
        return access(*args, **more)

    monkeypatch.setattr("mirror.linked_cluster.access", noted)
    return times
