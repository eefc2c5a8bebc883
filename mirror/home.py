"""Our own cluster, followed once for all Links."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from cluster.client import Cluster
from cluster.errors import Forbidden
from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, LINK, NAMESPACE, SECRET, SERVICE
from cluster.metadata import Raw
from cluster.objects import Endpoints, EndpointSlice, Link, Namespace, Secret, Service
from cluster.snapshot import Snapshot
from cluster.watch import Informer
from mirror import marks
from mirror.credentials import KUBECONFIG
from mirror.settings import Settings


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything of ours that matters, listed completely."""

    links: Snapshot[Link]
    secrets: Snapshot[Secret]
    namespaces: Snapshot[Namespace]
    services: Snapshot[Service]
    endpoints: Snapshot[Endpoints]
    slices: Snapshot[EndpointSlice]


class Home:
    """Follows while `run` does; `changed` is called when `seen` may have become another."""

    def __init__(self, cluster: Cluster, settings: Settings, *, changed: Callable[[], None]) -> None:
        namespace, pace = settings.namespace, settings.pace
        self.cluster = cluster
        self._links = Informer(cluster, LINK, Link.from_dict, namespace=namespace, changed=changed, pace=pace)
        self._secrets = Informer(
            cluster, SECRET, _credentials, namespace=namespace, changed=changed, pace=pace
        )
        self._namespaces = Informer(cluster, NAMESPACE, Namespace.from_dict, changed=changed, pace=pace)
        self._services = Informer(cluster, SERVICE, Service.from_dict, changed=changed, pace=pace)
        self._endpoints = Informer(cluster, ENDPOINTS, Endpoints.from_dict, changed=changed, pace=pace)
        self._slices = Informer(
            cluster,
            ENDPOINT_SLICE,
            EndpointSlice.from_dict,
            label_selector=marks.LINK_UID,  # whatever else of what we wrote on it somebody has taken away
            changed=changed,
            pace=pace,
        )
        self._all: dict[str, Informer[Any]] = {
            "link": self._links,
            "secret": self._secrets,
            "namespace": self._namespaces,
            "service": self._services,
            "endpoint": self._endpoints,
            "endpointslice": self._slices,
        }

    @property
    def links(self) -> Snapshot[Link] | None:
        """Listed completely, whatever else is; None before that."""
        return self._links.snapshot

    @property
    def refusal(self) -> Forbidden | None:
        """What we may not follow, if anything: an installation that lacks a right."""
        failures = (one.failure for one in self._all.values())
        return next((failure for failure in failures if isinstance(failure, Forbidden)), None)

    @property
    def seen(self) -> Seen | None:
        """None before everything has been listed completely."""
        links, secrets, namespaces = self._links.snapshot, self._secrets.snapshot, self._namespaces.snapshot
        services, endpoints, slices = self._services.snapshot, self._endpoints.snapshot, self._slices.snapshot
        if links is None or secrets is None or namespaces is None:
            return None
        if services is None or endpoints is None or slices is None:
            return None
        return Seen(links, secrets, namespaces, services, endpoints, slices)

    @property
    def sizes(self) -> dict[str, int]:
        """How many objects are known, by kind."""
        return {kind: len(one.snapshot.items) for kind, one in self._all.items() if one.snapshot is not None}

    async def run(self) -> NoReturn:
        """Follow until cancelled. No error of the cluster ends it."""
        async with asyncio.TaskGroup() as tasks:
            for one in self._all.values():
                tasks.create_task(one.run())
        raise AssertionError("an informer runs until it is cancelled")


def _credentials(raw: Raw) -> Secret:
    """A Secret with nothing of it kept but a kubeconfig: we see them all and need few."""
    secret = Secret.from_dict(raw)
    return replace(secret, data={name: value for name, value in secret.data.items() if name == KUBECONFIG})
