"""
The data path's tables from a cluster: informers on one side, `mirror`'s pure translations on the other.

A change only says "look again". No table is made before every listing it needs is complete; while the
API server is away the last one holds.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from cli.errors import explained
from cluster.access import Access
from cluster.client import Cluster
from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, LINK, SERVICE, Kind
from cluster.kubeconfig import RefusedKubeconfig
from cluster.metadata import Key, Raw
from cluster.objects import Endpoints, EndpointSlice, Link, Service
from cluster.own_access import local
from cluster.watch import Informer
from gateway.metrics import DataPathMetrics
from gateway.routes import RouteTable, TargetTable
from mirror.exports import routes
from mirror.link import InvalidLink, LinkSpec, parse
from mirror.marks import MIRRORED_SERVICE
from mirror.targets import targets

log = structlog.get_logger()

_API_SERVER = Key("default", "kubernetes")
_MIRRORS = f"{MIRRORED_SERVICE}=true"


@dataclass(frozen=True, slots=True)
class OwnCluster:
    """The cluster that a process of the data path serves, and how names are made in it."""

    access: Access
    namespace: str
    cluster_domain: str
    allow_loopback: bool

    @classmethod
    def of(
        cls,
        kubeconfig: Path | None,
        context: str | None,
        namespace: str,
        cluster_domain: str,
        *,
        allow_loopback: bool,
    ) -> "OwnCluster":
        """Raises CliError if there is no access to a cluster."""
        with explained(RefusedKubeconfig, OSError):
            return cls(local(kubeconfig, context), namespace, cluster_domain, allow_loopback)


async def follow_routes(
    own: OwnCluster, took: Callable[[RouteTable], Awaitable[None]], metrics: DataPathMetrics
) -> None:
    """Hand *took* what the cluster exports, anew whenever that has changed. Until cancelled."""
    look = asyncio.Event()
    async with Cluster(own.access) as cluster, asyncio.TaskGroup() as tasks:
        services = Informer(cluster, SERVICE, Service.from_dict, changed=look.set)
        slices = Informer(cluster, ENDPOINT_SLICE, EndpointSlice.from_dict, changed=look.set)
        _start(tasks, services, slices)
        before: RouteTable | None = None
        async for _ in _looks(look):
            if services.snapshot is None or slices.snapshot is None:
                continue
            parts = tuple(slices.snapshot.items.values())
            table = routes(
                services.snapshot.items.values(),
                parts,
                cluster_domain=own.cluster_domain,
                own_namespace=own.namespace,
                allow_loopback=own.allow_loopback,
                forbidden=_addresses_of_api_server(parts),
            )
            if table != before:
                before = table
                await took(table)
                metrics.reloaded("routes", taken=True)
                log.info("routes.loaded", cluster=str(own.access), exported=sorted(_names(table)))


async def follow_targets(
    own: OwnCluster, took: Callable[[TargetTable], Awaitable[None]], metrics: DataPathMetrics
) -> None:
    """Hand *took* what other clusters offer here, anew whenever that has changed. Until cancelled."""
    look = asyncio.Event()
    async with Cluster(own.access) as cluster, asyncio.TaskGroup() as tasks:
        services = _mirrors(cluster, SERVICE, Service.from_dict, look)
        endpoints = _mirrors(cluster, ENDPOINTS, Endpoints.from_dict, look)
        links = Informer(cluster, LINK, Link.from_dict, namespace=own.namespace, changed=look.set)
        _start(tasks, services, endpoints, links)
        before: TargetTable | None = None
        async for _ in _looks(look):
            if services.snapshot is None or endpoints.snapshot is None or links.snapshot is None:
                continue
            table = targets(
                services.snapshot.items.values(),
                endpoints.snapshot.items.values(),
                _valid(links.snapshot.items.values(), allow_loopback=own.allow_loopback),
            )
            if table != before:
                before = table
                await took(table)
                metrics.reloaded("targets", taken=True)


def _mirrors(cluster: Cluster, kind: Kind, parse: Callable[[Raw], Any], look: asyncio.Event) -> Informer[Any]:
    return Informer(cluster, kind, parse, label_selector=_MIRRORS, changed=look.set)


def _start(tasks: asyncio.TaskGroup, *informers: Informer[Any]) -> None:
    for informer in informers:
        tasks.create_task(informer.run(), name=repr(informer))


async def _looks(look: asyncio.Event) -> AsyncIterator[None]:
    """Each time something has changed; what changes meanwhile makes one more look, not several."""
    while True:
        await look.wait()
        look.clear()
        yield


def _valid(links: Iterable[Link], *, allow_loopback: bool) -> Iterator[LinkSpec]:
    """Links without mistakes. What is wrong with the others stands in their status."""
    for link in links:
        with contextlib.suppress(InvalidLink):
            yield parse(link, allow_loopback=allow_loopback)


def _addresses_of_api_server(slices: Iterable[EndpointSlice]) -> frozenset[str]:
    """Nobody's backend, whoever writes slices that name them."""
    return frozenset(
        ip
        for part in slices
        if Key(part.metadata.namespace, part.service) == _API_SERVER
        for endpoint in part.endpoints
        for ip in endpoint.addresses
    )


def _names(table: RouteTable) -> Iterator[str]:
    return (f"{service}:{port}" for service, port in table.routes)
