"""Fixtures of this folder."""

from collections.abc import AsyncIterator

import pytest

from cluster.client import Cluster
from tests.support.cluster import local_cluster


@pytest.fixture(name="client")
async def client_of_a_fresh_cluster() -> AsyncIterator[Cluster]:
    """Our own client, as the administrator of a cluster of its own."""
    async with local_cluster() as server, Cluster(server.access) as client:
        yield client
