"""
The data path's tables from a cluster: informers on one side, `mirror`'s pure translations on the other.

A change only says "look again". No table is made before every listing it needs is complete; while the
API server is away the last one holds.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
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
from mirror.exports import exports
from mirror.forbidden import Forbidden
from mirror.link import Door, doors
from mirror.marks import MIRRORED_SERVICE
from mirror.node_addresses import NodeAddresses
from mirror.refused_backends import RefusedBackends, count
from mirror.shut_services import ShutServices
from mirror.targets import targets

log = structlog.get_logger()

MOST_NAMED = 20
"""Of what comes and goes at once, so many are named in the log."""

_MIRRORS = f"{MIRRORED_SERVICE}=true"


@dataclass(frozen=True, slots=True)
class OwnCluster:
    """The cluster that a process of the data path serves, and how names are made in it."""

    access: Access
    namespace: str
    cluster_domain: str
    allow_loopback: bool
    listed: frozenset[Key] = frozenset()
    """Services that may be exported although they are of a sort that never is otherwise."""

    zone: str = ""
    """Our own zone; endpoints in it are preferred."""

    @classmethod
    def of(
        cls,
        kubeconfig: Path | None,
        context: str | None,
        namespace: str,
        cluster_domain: str,
        *,
        allow_loopback: bool,
        listed: frozenset[Key] = frozenset(),
        zone: str = "",
    ) -> "OwnCluster":
        """Raises CliError if there is no access to a cluster."""
        with explained(RefusedKubeconfig, OSError):
            access = local(kubeconfig, context)
        return cls(access, namespace, cluster_domain, allow_loopback, listed, zone)


async def follow_routes(
    own: OwnCluster, took: Callable[[RouteTable], Awaitable[None]], metrics: DataPathMetrics
) -> None:
    """Hand *took* what the cluster exports, anew whenever that has changed. Until cancelled."""
    look = asyncio.Event()
    async with Cluster(own.access) as cluster, asyncio.TaskGroup() as tasks:
        services = Informer(cluster, SERVICE, Service.from_dict, changed=look.set)
        slices = Informer(cluster, ENDPOINT_SLICE, EndpointSlice.from_dict, changed=look.set)
        nodes = NodeAddresses(cluster, changed=look.set)
        _start(tasks, services, slices, nodes)
        before: RouteTable | None = None
        shut = ShutServices(cluster=str(own.access))
        refused = RefusedBackends(cluster=str(own.access))
        async for _ in _looks(look):
            if services.snapshot is None or slices.snapshot is None or nodes.known is None:
                continue
            shut.look(services.snapshot.items)
            found = exports(
                services.snapshot.items.values(),
                slices.snapshot.items.values(),
                cluster_domain=own.cluster_domain,
                own_namespace=own.namespace,
                allow_loopback=own.allow_loopback,
                forbidden=Forbidden.of(
                    nodes.known, services.snapshot.items.values(), slices.snapshot.items.values()
                ),
                listed=own.listed,
                zone=own.zone,
            )
            refused.look(found.refused)
            metrics.refused_backends.set(count(found.refused))
            if found.routes != before:
                await took(found.routes)
                metrics.reloaded("routes", taken=True)
                _tell("routes.loaded", own, _names(before), _names(found.routes))
                before = found.routes


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
        known: Mapping[str, Door] = {}
        async for _ in _looks(look):
            if services.snapshot is None or endpoints.snapshot is None or links.snapshot is None:
                continue
            known = doors(links.snapshot.items.values(), known)
            table = targets(
                services.snapshot.items.values(),
                endpoints.snapshot.items.values(),
                known,
            )
            if table != before:
                await took(table)
                metrics.reloaded("targets", taken=True)
                _tell("targets.loaded", own, _targets(before), _targets(table))
                before = table


def _mirrors(cluster: Cluster, kind: Kind, parse: Callable[[Raw], Any], look: asyncio.Event) -> Informer[Any]:
    return Informer(cluster, kind, parse, label_selector=_MIRRORS, changed=look.set)


def _start(tasks: asyncio.TaskGroup, *informers: Informer[Any] | NodeAddresses) -> None:
    for informer in informers:
        tasks.create_task(informer.run(), name=repr(informer))


async def _looks(look: asyncio.Event) -> AsyncIterator[None]:
    """Each time something has changed; what changes meanwhile makes one more look, not several."""
    while True:
        await look.wait()
        look.clear()
        yield


def _tell(event: str, own: OwnCluster, before: frozenset[str], now: frozenset[str]) -> None:
    """What came and went, the first of each; where nothing did (addresses have changed), not at info."""
    say = log.debug if before == now and now else log.info
    came, gone = sorted(now - before), sorted(before - now)
    names = {name: found[:MOST_NAMED] for name, found in (("came", came), ("gone", gone)) if found}
    say(event, cluster=str(own.access), count=len(now), more=len(came), fewer=len(gone), **names)


def _names(table: RouteTable | None) -> frozenset[str]:
    return frozenset(f"{service}:{port}" for service, port in table.routes) if table else frozenset()


def _targets(table: TargetTable | None) -> frozenset[str]:
    found = table.targets.values() if table else ()
    return frozenset(f"{target.service}:{target.port} in {target.cluster}" for target in found)
