"""Where the mirror is measured: two clusters, one Link or many, and what a row of the results says."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import mirror_load as load
from benchmarks.mirror_clock import Clock
from benchmarks.mirror_clusters import Server, Site, two
from benchmarks.mirror_controller import Controller, controller
from benchmarks.storm import percentile
from cluster.client import Cluster
from cluster.kinds import SERVICE
from cluster.kubeconfig import render
from cluster.metadata import Key

PATIENCE = 600.0
"""Seconds for a first sync."""

CHANGES_A_SECOND = 20.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done."""

    services: Sequence[int] = (1000, 10_000)
    changes: int = 400
    flaps: int = 1000
    steady: float = 60.0
    links: int = 50
    of_each: int = 20
    faulty_services: int = 200
    faulty: float = 5.0
    """Seconds that each fault lasts."""


QUICK = Size(
    services=(20,), changes=20, flaps=50, steady=1.0, links=4, of_each=3, faulty_services=10, faulty=0.5
)


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was measured."""

    server: Server
    what: str
    services: int
    figures: dict[str, float] = field(default_factory=dict)
    wrong: int = 0
    """Mirrors that were not as they ought to be in the end, or are other objects than before."""


@dataclass(slots=True)
class Stage:
    """Two clusters, and no controller yet."""

    server: Server
    directory: Path
    sites: tuple[Site, Site]
    east: Cluster
    west: Cluster

    @contextmanager
    def controller(self, clock: Clock | None = None) -> Iterator[Controller]:
        with controller(self.sites[1], self.directory, clock) as running:
            yield running

    async def right(self, names: Sequence[str], count: int) -> int:
        """How many of *names* have no mirror, or more are there than *count* in all."""
        there = {
            raw["metadata"]["name"] for raw in (await self.west.list(SERVICE, namespace=load.TEST)).items
        }
        return len(set(names) - there) + max(0, len(there) - count)


@asynccontextmanager
async def stage(server: Server) -> AsyncIterator[Stage]:
    directory = Path(tempfile.mkdtemp(prefix="jackstay-mirror-"))
    try:
        with ExitStack() as running:
            east, west = running.enter_context(two(server, directory))
            async with Cluster(east.access) as of_east, Cluster(west.access) as of_west:
                await load.prepare(of_east, of_west)
                yield Stage(server, directory, (east, west), of_east, of_west)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def kubeconfig(site: Site, url: str = "") -> bytes:
    """As a Link has it; at *url*, if it is to be asked there."""
    access = site.access
    assert access.token is not None
    return render(url or access.server, access.ca_data, access.token, user="remote", cluster="east")


async def synced(running: Controller, services: int) -> float:
    """
    Seconds until all *services* are mirrored: three writes each, as the controller counts them.

    Raises TimeoutError.
    """
    began = time.monotonic()
    async with asyncio.timeout(PATIENCE):
        while await running.writes() < 3 * services:  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.1)
    return time.monotonic() - began


def quantiles(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {"changes": len(ordered), "p50": percentile(ordered, 0.5), "p99": percentile(ordered, 0.99)} | {
        "most": ordered[-1]
    }


async def uids(stage: Stage) -> dict[Key, str]:
    found = (await stage.west.list(SERVICE, namespace=load.TEST)).items
    return {Key(load.TEST, raw["metadata"]["name"]): raw["metadata"]["uid"] for raw in found}
