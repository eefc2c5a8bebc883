"""Two clusters, a mirror between them and a gateway that lives or not as the test says."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry

from cluster.access import Access
from cluster.client import Cluster
from cluster.errors import AlreadyExists, NotFound
from cluster.kinds import (
    ENDPOINT_SLICE,
    ENDPOINTS,
    LINK,
    NAMESPACE,
    SECRET,
    SERVICE,
    Kind,
)
from cluster.kubeconfig import render
from cluster.metadata import Raw
from cluster.objects import Endpoints, Link, Service
from cluster.watch import Pace
from mirror import marks
from mirror.controller import Controller
from mirror.gateway_addresses import Resolver, system_resolver
from mirror.metrics import Metrics
from mirror.probing import ProbeFailed
from mirror.settings import Settings
from process.address import Address
from process.backoff import Backoff
from tests.support.cluster import local_cluster

T = TypeVar("T")

GATEWAY = "198.51.100.9"
"""Not on loopback, since no real API server takes Endpoints there. A fake: nothing is sent to it."""

IDENTITY = "jackstay-gateway.jackstay.serviceaccount.identity.jackstay.cluster.local"
QUICK = Settings(
    allow_loopback=True,
    status_pause=0.02,
    lease_retry=0.2,
    pace=Pace(settled=0.2, backoff=Backoff(first=0.02, most=0.2)),
)


@dataclass
class FakeGateways:
    """Addresses that answer probes, or do not."""

    alive: set[str] = field(default_factory=lambda: {GATEWAY})
    asked: list[tuple[Address, str]] = field(default_factory=list)

    async def __call__(self, address: Address, identity: str, *, timeout: float) -> float:
        self.asked.append((address, identity))
        if address.host not in self.alive:
            raise ProbeFailed("connection refused")
        return 0.002


@dataclass
class Site:
    """One cluster, and a client of its administrator."""

    access: Access
    api: Cluster

    @property
    def kubeconfig(self) -> bytes:
        """The administrator's, with one context called as the cluster."""
        name, token = self.access.name, self.access.token
        assert token is not None
        return render(self.access.server, self.access.ca_data, token, user=f"{name}-admin", cluster=name)

    async def make(self, kind: Kind, name: str, namespace: str | None = "test", **parts: Any) -> Raw:
        metadata = {
            "name": name,
            **({"namespace": namespace} if namespace else {}),
            **parts.pop("metadata", {}),
        }
        body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **parts}
        return await self.api.create(kind, body)

    async def namespace(self, name: str) -> None:
        try:
            await self.make(NAMESPACE, name, None)
        except AlreadyExists:
            return

    async def service(
        self,
        name: str = "podinfo",
        *,
        namespace: str = "test",
        exported: bool = True,
        ready: bool = True,
        **spec: Any,
    ) -> Raw:
        """A Service with one pod behind it."""
        labels = {"app": name, **({marks.EXPORTED: "true"} if exported else {})}
        spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 9898}], **spec}
        made = await self.make(SERVICE, name, namespace, metadata={"labels": labels}, spec=spec)
        await self.make(
            ENDPOINT_SLICE,
            f"{name}-0",
            namespace,
            metadata={"labels": {"kubernetes.io/service-name": name}},
            addressType="IPv4",
            endpoints=[{"addresses": ["10.0.0.9"], "conditions": {"ready": ready}}],
            ports=[{"name": "http", "port": 9898}],
        )
        return made

    async def ready(self, name: str = "podinfo", *, ready: bool) -> None:
        endpoints = [{"addresses": ["10.0.0.9"], "conditions": {"ready": ready}}]
        await self.api.patch(ENDPOINT_SLICE, "test", f"{name}-0", {"endpoints": endpoints})

    async def pods(self, *addresses: str, name: str = "podinfo") -> None:
        """The Service's ready pods are at *addresses*, and nowhere else."""
        pod = {"kind": "Pod", "namespace": "test", "name": f"{name}-0"}
        ready = {"conditions": {"ready": True}, "targetRef": pod}
        endpoints = [{"addresses": [address], **ready} for address in addresses]
        await self.api.patch(ENDPOINT_SLICE, "test", f"{name}-0", {"endpoints": endpoints})

    async def export(self, name: str = "podinfo", *, exported: bool) -> None:
        change = {"metadata": {"labels": {marks.EXPORTED: "true" if exported else None}}}
        await self.api.patch(SERVICE, "test", name, change)

    async def find(self, kind: Kind, name: str, namespace: str = "test") -> Raw | None:
        try:
            return await self.api.get(kind, namespace, name)
        except NotFound:
            return None

    async def addresses(self, name: str = "podinfo-east") -> tuple[list[str], list[str]] | None:
        """The ready and the other addresses in the Endpoints; None if there are none of that name."""
        raw = await self.find(ENDPOINTS, name)
        if raw is None:
            return None
        subsets = Endpoints.from_dict(raw).subsets
        return (
            [address.ip for subset in subsets for address in subset.addresses],
            [address.ip for subset in subsets for address in subset.not_ready_addresses],
        )


def kubeconfig(content: bytes) -> dict[str, str]:
    """The data of a credentials Secret."""
    return {"kubeconfig": base64.b64encode(content).decode()}


@dataclass
class World:
    """East with the services, west with the mirrors."""

    east: Site
    west: Site
    gateways: FakeGateways = field(default_factory=FakeGateways)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    async def link(self, name: str = "east", *, to: Site | None = None, **spec: Any) -> None:
        """Make the Secret and the Link."""
        await self.secret(name, to or self.east)
        annotations = spec.pop("annotations", {})
        spec = {
            "targetClusterName": name,
            "targetClusterDomain": "cluster.local",
            "clusterCredentialsSecret": f"cluster-credentials-{name}",
            "gatewayAddress": GATEWAY,
            "gatewayPort": "4143",
            "gatewayIdentity": IDENTITY,
            "probeSpec": {"path": "/ready", "port": "4191", "period": "50ms", "failureThreshold": "2"},
            "selector": {"matchLabels": {marks.EXPORTED: "true"}},
            **spec,
        }
        await self.west.make(LINK, name, "jackstay", metadata={"annotations": annotations}, spec=spec)

    async def secret(self, name: str, to: Site) -> None:
        await self.west.make(
            SECRET,
            f"cluster-credentials-{name}",
            "jackstay",
            type="mirror.linkerd.io/remote-kubeconfig",
            data=kubeconfig(to.kubeconfig),
        )

    async def status(self, name: str = "east") -> Raw:
        return dict(Link.from_dict(await self.west.api.get(LINK, "jackstay", name)).status)

    async def condition(self, kind: str, name: str = "east") -> tuple[str, str]:
        """The status and the reason of a condition of the Link."""
        for condition in (await self.status(name)).get("conditions", []):
            if condition["type"] == kind:
                return condition["status"], condition["reason"]
        return "", ""

    async def mirror(self, name: str = "podinfo-east") -> Service | None:
        raw = await self.west.find(SERVICE, name)
        return Service.from_dict(raw) if raw is not None else None

    @asynccontextmanager
    async def mirroring(
        self, settings: Settings = QUICK, *, resolver: Resolver = system_resolver
    ) -> AsyncIterator[Controller]:
        """A controller in west, for as long as the block lasts."""
        registry = self.registry = CollectorRegistry()
        controller = Controller(self.west.api, settings, self.gateways, Metrics(registry), resolver=resolver)
        running = asyncio.create_task(controller.run())
        try:
            yield controller
        finally:
            running.cancel()
            await asyncio.wait([running])
            if not running.cancelled() and (error := running.exception()):
                raise error


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    """Two small API servers of our own."""
    async with (
        local_cluster("east") as east,
        local_cluster("west") as west,
        between(east.access, west.access) as made,
    ):
        yield made


@asynccontextmanager
async def between(east: Access, west: Access) -> AsyncIterator[World]:
    """The two clusters, each with the namespaces that the tests use."""
    async with Cluster(east) as of_east, Cluster(west) as of_west:
        made = World(Site(east, of_east), Site(west, of_west))
        for site in (made.east, made.west):
            await site.namespace("test")
            await site.namespace("jackstay")
        yield made


async def until(look: Callable[[], Awaitable[T]], wanted: Callable[[T], bool], *, seconds: float = 10.0) -> T:
    """What *look* shows once it is as *wanted*. Raises AssertionError with what it showed last."""
    async with asyncio.timeout(seconds * 2):
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            shown = await look()
            if wanted(shown):
                return shown
            if loop.time() > end:
                raise AssertionError(f"after {seconds} s it still is {shown!r}")
            await asyncio.sleep(0.01)
