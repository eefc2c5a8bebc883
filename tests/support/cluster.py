"""A small Kubernetes API server in the test's own process: `async with local_cluster() as cluster`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from cluster.local import LocalCluster


@asynccontextmanager
async def local_cluster(name: str = "local", **settings: Any) -> AsyncIterator[LocalCluster]:
    """A cluster of its own on a free port, whose Endpoints may be on this machine."""
    async with LocalCluster(name=name, **{"allow_loopback": True, **settings}) as running:
        yield running
