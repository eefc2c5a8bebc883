"""What is exported in east for the mirror's benchmark, how it changes, and when west shows it."""

import asyncio
import base64
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from cluster.client import Cluster
from cluster.crds import link_definition
from cluster.errors import ClusterError, NotFound
from cluster.kinds import (
    CUSTOM_RESOURCE_DEFINITION,
    ENDPOINT_SLICE,
    ENDPOINTS,
    LINK,
    NAMESPACE,
    SECRET,
    SERVICE,
    Kind,
)
from cluster.metadata import Key
from cluster.objects import Endpoints, Service
from cluster.watch import Informer
from mirror import marks

CONTROL, TEST = "jackstay", "test"
GATEWAY = "203.0.113.7"
"""Nobody is there, and nobody is asked: the Links say not to probe it."""

AT_ONCE = 32
WHICH = "benchmark/link"
"""A label of exported Services: of which Link they are."""


def named(number: int) -> str:
    return f"service-{number:05}"


async def each(works: Iterable[Awaitable[Any]]) -> None:
    """Do *works*, so many at once."""
    waiting = iter(works)

    async def work() -> None:
        for one in waiting:
            await one

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(work())


async def make(cluster: Cluster, kind: Kind, name: str, namespace: str = "", **parts: Any) -> None:
    metadata = {
        "name": name,
        **({"namespace": namespace} if namespace else {}),
        **parts.pop("metadata", {}),
    }
    await cluster.create(
        kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **parts}
    )


async def prepare(east: Cluster, west: Cluster) -> None:
    """Namespaces and our custom kind; returns once it is served."""
    async with asyncio.timeout(60):
        for cluster in (east, west):
            while not await _answers(cluster):  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.1)
            for namespace in (CONTROL, TEST):
                await make(cluster, NAMESPACE, namespace)
        await west.create(CUSTOM_RESOURCE_DEFINITION, link_definition())
        while not await _serves(west, LINK):  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.05)


async def _answers(cluster: Cluster) -> bool:
    try:
        return bool(await cluster.uid())
    except ClusterError:
        return False


async def _serves(cluster: Cluster, kind: Kind) -> bool:
    try:
        await cluster.list(kind)
    except NotFound:
        return False
    return True


async def export(east: Cluster, numbers: Iterable[int], link: Callable[[int], str]) -> None:
    """Services of these *numbers*, each with a pod that is ready; *link* says for which Link each is."""

    async def one(number: int) -> None:
        name = named(number)
        labels = {"app": name, WHICH: link(number)}
        ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
        await make(east, SERVICE, name, TEST, metadata={"labels": labels}, spec={"ports": ports})
        await make(
            east,
            ENDPOINT_SLICE,
            f"{name}-0",
            TEST,
            metadata={"labels": {marks.SLICE_SERVICE: name}},
            addressType="IPv4",
            endpoints=_pods(ready=True),
            ports=ports,
        )

    await each(one(number) for number in numbers)


def _pods(*, ready: bool) -> list[dict[str, Any]]:
    return [{"addresses": ["10.0.0.9"], "conditions": {"ready": ready}}]


async def make_ready(east: Cluster, number: int, *, ready: bool) -> None:
    await east.patch(ENDPOINT_SLICE, TEST, f"{named(number)}-0", {"endpoints": _pods(ready=ready)})


async def relabel(east: Cluster, number: int, value: str) -> None:
    await east.patch(SERVICE, TEST, named(number), {"metadata": {"labels": {"benchmark/value": value}}})


async def link(west: Cluster, name: str, kubeconfig: bytes) -> None:
    """A Link to the cluster of *kubeconfig*, for the Services that bear its name."""
    secret = f"cluster-credentials-{name}"
    data = {"kubeconfig": base64.b64encode(kubeconfig).decode()}
    await make(west, SECRET, secret, CONTROL, type="mirror.linkerd.io/remote-kubeconfig", data=data)
    spec = {
        "targetClusterName": name,
        "targetClusterDomain": "cluster.local",
        "clusterCredentialsSecret": secret,
        "gatewayAddress": GATEWAY,
        "gatewayPort": "4143",
        "gatewayIdentity": "gateway.benchmark",
        "probeSpec": {"path": "", "port": "4191", "period": "3s"},
        "selector": {"matchLabels": {WHICH: name}},
    }
    await make(west, LINK, name, CONTROL, spec=spec)


class Shown:
    """What west shows: its Services and their Endpoints, followed."""

    def __init__(self, west: Cluster) -> None:
        self._bell = asyncio.Event()
        self._services = Informer(west, SERVICE, Service.from_dict, namespace=TEST, changed=self._bell.set)
        self._endpoints = Informer(
            west, ENDPOINTS, Endpoints.from_dict, namespace=TEST, changed=self._bell.set
        )

    async def follow(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._services.run())
            tasks.create_task(self._endpoints.run())

    def value(self, mirror: str) -> str | None:
        """What the label of *mirror* says."""
        snapshot = self._services.snapshot
        found = snapshot.items.get(Key(TEST, mirror)) if snapshot else None
        return found.metadata.labels.get("benchmark/value") if found else None

    def is_ready(self, mirror: str) -> bool | None:
        snapshot = self._endpoints.snapshot
        found = snapshot.items.get(Key(TEST, mirror)) if snapshot else None
        return any(subset.addresses for subset in found.subsets) if found else None

    async def until(self, condition: Callable[[], bool], *, seconds: float) -> None:
        """Return once *condition* holds of what is shown. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._bell.clear()
                await self._bell.wait()

    async def whole(self) -> None:
        await self.until(
            lambda: self._services.snapshot is not None and self._endpoints.snapshot is not None, seconds=60
        )


@asynccontextmanager
async def showing(west: Cluster) -> AsyncIterator[Shown]:
    shown = Shown(west)
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(shown.follow())
        await shown.whole()
        yield shown
        following.cancel()


async def paced(rate: float, count: int, one: Callable[[int], Awaitable[None]]) -> None:
    """Do *one* of each number, begun *rate* times a second, whether the one before is done or not."""
    began = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            await asyncio.sleep(began + number / rate - time.monotonic())
            tasks.create_task(_awaited(one(number)))


async def _awaited(work: Awaitable[None]) -> None:
    await work


def drawn(seed: int, below: int, count: int) -> list[int]:
    """*count* numbers, no two the same as long as there are so many."""
    chance = random.Random(seed)
    if count <= below:
        return chance.sample(range(below), count)
    return [chance.randrange(below) for _ in range(count)]
