"""The clusters of this folder: west is small, or real where there is one; east is small."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from cluster.client import Cluster
from cluster.crds import link_definition
from cluster.errors import NotFound
from cluster.kinds import CUSTOM_RESOURCE_DEFINITION, LINK
from tests.soak.scene import Scene
from tests.support.cluster import local_cluster
from tests.support.real_api import HOW_TO_GET_THEM, assets, real_api


@pytest.fixture(params=["local", "real"])
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    binaries = assets()
    if request.param == "real" and binaries is None:
        pytest.skip(HOW_TO_GET_THEM)
    async with AsyncExitStack() as opened:
        east = await opened.enter_async_context(local_cluster("east"))
        if request.param == "real":
            assert binaries is not None
            api = opened.enter_context(real_api(binaries, tmp_path))
            await api.ready()
            access = api.access
        else:
            access = (await opened.enter_async_context(local_cluster("west"))).access
        west = await opened.enter_async_context(Cluster(access))
        if request.param == "real":
            await _defined(west)
        of_east = await opened.enter_async_context(Cluster(east.access))
        yield await Scene.set(west, of_east, east.kubeconfig)


async def _defined(cluster: Cluster) -> None:
    """Our kind is there, and served."""
    await cluster.create(CUSTOM_RESOURCE_DEFINITION, link_definition())
    async with asyncio.timeout(60):
        while not await _is_served(cluster):  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.05)


async def _is_served(cluster: Cluster) -> bool:
    try:
        await cluster.list(LINK)
    except NotFound:
        return False
    return True
