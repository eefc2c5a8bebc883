"""Watches west, and notes what happens to which object."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cluster.client import Cluster
from cluster.events import Applied, Deleted, decode
from cluster.kinds import Kind
from cluster.snapshot import key_of
from tests.mirror.planned_state import Place
from tests.soak.scene import KINDS, NAMESPACE_OF_ALL

HOUR = 3600.0


class Witness:
    """What was seen since the block began."""

    def __init__(self) -> None:
        self.seen: list[Place] = []

    async def watch(self, cluster: Cluster, kind: Kind, version: str, agreed: asyncio.Event) -> None:
        """Until cancelled. Fails where the watch ends: what happened then would go unseen."""
        rest = b""
        async with cluster.watch(
            kind, resource_version=version, seconds=HOUR, silence=HOUR, namespace=NAMESPACE_OF_ALL
        ) as chunks:
            agreed.set()
            async for chunk in chunks:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    event = decode(line)
                    if isinstance(event, Applied | Deleted):
                        self.seen.append((kind, key_of(event.raw)))
        raise AssertionError(f"the watch of {kind.plural} has ended")


@asynccontextmanager
async def watching(cluster: Cluster) -> AsyncIterator[Witness]:
    """A witness of everything that happens while the block lasts."""
    witness = Witness()
    async with asyncio.TaskGroup() as tasks:
        watches = []
        for kind in KINDS:
            version, agreed = (await cluster.list(kind)).resource_version, asyncio.Event()
            watches.append(tasks.create_task(witness.watch(cluster, kind, version, agreed)))
            await agreed.wait()
        yield witness
        for watch in watches:
            watch.cancel()
