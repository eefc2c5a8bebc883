"""A small Kubernetes API server in the test's own process: `async with local_cluster() as cluster`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest_asyncio

from cluster.client import Cluster
from cluster.local import LocalCluster


@asynccontextmanager
async def local_cluster(name: str = "local", **settings: Any) -> AsyncIterator[LocalCluster]:
    """A cluster of its own on a free port, whose Endpoints may be on this machine."""
    async with LocalCluster(name=name, **{"allow_loopback": True, **settings}) as running:
        yield running


@pytest_asyncio.fixture(name="local")
async def local_fixture() -> AsyncIterator[LocalCluster]:
    """A fresh cluster: its address, kubeconfig and access."""
    async with local_cluster() as running:
        yield running


@pytest_asyncio.fixture(name="client")
async def client_fixture(local: LocalCluster) -> AsyncIterator[Cluster]:
    """Our own client, as the administrator of the fresh cluster."""
    async with Cluster(local.access) as client:
        yield client
