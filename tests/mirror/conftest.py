"""Fixtures of this folder."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cluster.client import Cluster
from mirror.credentials import access
from tests.support.cluster import local_cluster
from tests.support.clusters import World, world


@pytest.fixture(name="client")
async def client_of_a_fresh_cluster() -> AsyncIterator[Cluster]:
    """Our own client, as the administrator of a cluster of its own."""
    async with local_cluster() as server, Cluster(server.access) as client:
        yield client


@pytest.fixture(name="at")
async def two_clusters() -> AsyncIterator[World]:
    async with world() as made:
        yield made


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When workers looked at their Link and its Secret."""
    times: list[float] = []

    def noted(*args: Any, **more: Any) -> Any:
        times.append(time.monotonic())
        return access(*args, **more)

    monkeypatch.setattr("mirror.linked_cluster.access", noted)
    return times
