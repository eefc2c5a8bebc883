"""The API servers that the contract is checked against: our small one, and a real one where there is one."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cluster.client import Cluster
from cluster.crds import link_definition, traffic_split_definition
from cluster.errors import AlreadyExists, NotFound
from cluster.kinds import CUSTOM_RESOURCE_DEFINITION, LINK, NAMESPACE, TRAFFIC_SPLIT, Kind
from tests.support.cluster import local_cluster
from tests.support.real_api import HOW_TO_GET_THEM, RealApi, assets, real_api


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealApi]:
    """One real API server for all tests, which keep apart by namespace."""
    binaries = assets()
    if binaries is None:
        pytest.skip(HOW_TO_GET_THEM)
    with real_api(binaries, Path(tmp_path_factory.mktemp("real-api"))) as api:
        yield api


@pytest.fixture(params=["local", "real"])
async def cluster(request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    if request.param == "real":
        real: RealApi = request.getfixturevalue("real")
        await real.ready()
        async with Cluster(real.access) as cluster:
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


async def defined(cluster: Cluster) -> None:
    """Our two kinds are there, and served."""
    for kind, definition in ((LINK, link_definition()), (TRAFFIC_SPLIT, traffic_split_definition())):
        with suppress(AlreadyExists):
            await cluster.create(CUSTOM_RESOURCE_DEFINITION, definition)
        async with asyncio.timeout(60):
            while not await is_served(cluster, kind):  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.05)


async def is_served(cluster: Cluster, kind: Kind) -> bool:
    try:
        await cluster.list(kind)
    except NotFound:
        return False
    return True
