"""Where the story happens: two clusters, a directory of files, and the processes."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from certs.identity import Identity
from cli.demo.loopback import Network
from cli.demo.processes import Processes
from cli.manifests import GATEWAY, Manifest
from cli.options import NAMESPACE
from cluster.client import Cluster
from cluster.kinds import KINDS, Kind
from cluster.own_access import local
from process.address import Address

API, POD = 1, 2
"""Hosts of a cluster's network: the API server and our own processes; the pod."""


@dataclass(frozen=True, slots=True)
class Files:
    """A certificate and its key."""

    certificate: Path
    key: Path

    @property
    def both(self) -> tuple[str, str]:
        return str(self.certificate), str(self.key)

    @property
    def options(self) -> tuple[str, ...]:
        """As every process of the data path takes them."""
        return "--certificate", str(self.certificate), "--key", str(self.key)

    @property
    def authority(self) -> tuple[str, ...]:
        """As `jackstay certs` takes whoever signs."""
        return "--ca", str(self.certificate), "--ca-key", str(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One of the clusters, and where everything of it listens."""

    name: str
    network: Network
    directory: Path
    api: Address
    pod: Address
    gateway: Address
    probe: Address
    gateway_admin: Address
    outbound_admin: Address
    mirror_admin: Address

    @classmethod
    def on(cls, network: Network, name: str, directory: Path) -> "Site":
        """A cluster called *name* with the usual ports, where they are free."""
        return cls(
            name=name,
            network=network,
            directory=directory,
            api=network.address(API, 6443),
            pod=network.address(POD, 9898),
            gateway=network.address(API, 4143),
            probe=network.address(API, 4191),
            gateway_admin=network.address(API, 9990),
            outbound_admin=network.address(API, 9991),
            mirror_admin=network.address(API, 9992),
        )

    @property
    def kubeconfig(self) -> Path:
        return self.directory / f"{self.name}.kubeconfig"

    @property
    def reached(self) -> tuple[str, ...]:
        """The options by which a process reaches this cluster."""
        return "--kubeconfig", str(self.kubeconfig), "--context", self.name, "-n", NAMESPACE

    @property
    def trust_domain(self) -> str:
        return f"{self.name}.jackstay"

    def identity(self, service_account: str, namespace: str = NAMESPACE) -> str:
        """The identity of a service account of this cluster."""
        return Identity(service_account, namespace, NAMESPACE, self.trust_domain).dns_name

    def api_client(self) -> Cluster:
        """Its API, as its administrator."""
        return Cluster(local(self.kubeconfig, self.name))


@dataclass(frozen=True, slots=True)
class Stage:
    """All that the steps of the story act on."""

    directory: Path
    west: Site
    east: Site
    processes: Processes

    @property
    def sites(self) -> tuple[Site, Site]:
        return self.west, self.east

    def files(self, name: str) -> Files:
        return Files(self.directory / f"{name}.crt", self.directory / f"{name}.key")

    @property
    def anchor(self) -> Files:
        return self.files("root")

    @property
    def client(self) -> Files:
        """A workload of west's, as which the outbound proxy speaks."""
        return self.files("web")

    @property
    def stranger(self) -> Files:
        """One with the same name, by somebody else's anchor."""
        return self.files("stranger")

    @property
    def gateway_identity(self) -> str:
        return self.east.identity(GATEWAY)


async def apply(cluster: Cluster, *manifests: Manifest) -> None:
    """What `kubectl apply` does with new objects."""
    for manifest in manifests:
        await cluster.create(_kind(manifest), manifest)


def _kind(manifest: Manifest) -> Kind:
    wanted = (manifest["apiVersion"], manifest["kind"])
    return next(kind for kind in KINDS if (kind.api_version, kind.kind) == wanted)


async def together(*work: Coroutine[Any, Any, object]) -> None:
    """All of *work* side by side; the first error ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            for part in work:
                group.create_task(part)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
