"""
Clusters whose pods are admin servers of this process, each with the metrics of what it holds.

    async with clusters("east", "west") as (east, west):
        gateway = await east.runs("gateway-0", old.leaf(GATEWAY), bundle)
        gateway.uses(new.leaf(GATEWAY), bundle)
"""

import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from certs.authority import Authority
from certs.trust_bundle import TrustBundle
from certs.trust_metrics import TrustMetrics
from cli.install.parts import BUNDLE_KEY, ISSUER_SECRET, TRUST_BUNDLE
from cluster.client import Cluster
from cluster.errors import AlreadyExists
from cluster.kinds import CONFIG_MAP, NAMESPACE, POD, SECRET, Kind
from cluster.local import LocalCluster
from process.address import Address
from process.admin import AdminServer, Readiness
from tests.support.cluster import local_cluster
from tests.support.pki import Issued

LABELS = {"app.kubernetes.io/name": "jackstay"}


class Running:
    """A process as its admin port shows it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = TrustMetrics(self.registry)
        self.address = Address("", 0)

    def uses(self, leaf: Issued, bundle: TrustBundle) -> None:
        self.metrics.uses(leaf.credentials, bundle)


@dataclass
class Site:
    """One cluster."""

    server: LocalCluster
    api: Cluster
    owned: AsyncExitStack

    async def make(self, kind: Kind, name: str, namespace: str, **parts: Any) -> None:
        for body in (
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
            {
                "apiVersion": kind.api_version,
                "kind": kind.kind,
                "metadata": {"name": name, "namespace": namespace, "labels": parts.pop("labels", LABELS)},
                **parts,
            },
        ):
            try:
                await self.api.create(NAMESPACE if body["kind"] == "Namespace" else kind, body)
            except AlreadyExists:
                if body["kind"] != "Namespace":
                    await self.api.replace(kind, body)

    async def bundle(self, bundle: TrustBundle, namespace: str = "jackstay", **data: str) -> None:
        await self.make(CONFIG_MAP, TRUST_BUNDLE, namespace, data={BUNDLE_KEY: bundle.pem.decode(), **data})

    async def issuer(self, issuer: Authority) -> None:
        data = {
            "tls.crt": base64.b64encode(issuer.pem).decode(),
            "tls.key": base64.b64encode(issuer.key_pem).decode(),
        }
        await self.make(SECRET, ISSUER_SECRET, "jackstay", type="kubernetes.io/tls", data=data)

    async def runs(
        self,
        name: str,
        leaf: Issued,
        bundle: TrustBundle,
        *,
        namespace: str = "jackstay",
        labels: dict[str, str] = LABELS,
    ) -> Running:
        """A pod with an admin port, and a process there."""
        running = Running()
        running.uses(leaf, bundle)
        admin = AdminServer(Address("127.0.0.1", 0), Readiness(), running.registry)
        await self.owned.enter_async_context(admin)
        running.address = admin.address
        await self.pod(name, running.address.port, namespace=namespace, labels=labels)
        return running

    async def pod(
        self,
        name: str,
        port: int,
        *,
        phase: str = "Running",
        namespace: str = "jackstay",
        labels: dict[str, str] = LABELS,
    ) -> None:
        container = {"name": "c", "image": "i", "ports": [{"name": "admin", "containerPort": port}]}
        await self.make(POD, name, namespace, labels=labels, spec={"containers": [container]})
        status = {"phase": phase, "podIP": "127.0.0.1"}
        await self.api.patch_status(POD, namespace, name, {"status": status})


@asynccontextmanager
async def clusters(*names: str) -> AsyncIterator[list[Site]]:
    async with AsyncExitStack() as owned:
        made = []
        for name in names:
            server = await owned.enter_async_context(local_cluster(name))
            api = await owned.enter_async_context(Cluster(server.access))
            made.append(Site(server, api, owned))
        yield made
