from collections.abc import AsyncIterator

import pytest_asyncio

from cluster.local import LocalCluster
from tests.support.cluster import local_cluster
from tests.support.http_api import HttpApi


@pytest_asyncio.fixture(name="cluster")
async def cluster_fixture() -> AsyncIterator[LocalCluster]:
    async with local_cluster(service_range="127.9.0.0/16") as running:
        yield running


@pytest_asyncio.fixture(name="api")
async def api_fixture(cluster: LocalCluster) -> AsyncIterator[HttpApi]:
    async with HttpApi(cluster) as api:
        yield api
