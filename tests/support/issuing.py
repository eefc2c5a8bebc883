"""
An identity service as it runs in production, beside a cluster that knows accounts and their tokens.

    async with issuing(tmp_path) as site:
        await site.start_identity()
        flags = await site.flags("web.test")
"""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from certs.service import AUDIENCE
from cluster.client import Cluster
from cluster.kinds import NAMESPACE, SERVICE_ACCOUNT, Kind
from tests.support.cluster import local_cluster
from tests.support.pki import Pki
from tests.support.processes import Processes, Running, processes


@dataclass(slots=True)
class Issuing:
    """The cluster, the anchors' file that everybody follows, and where the service is or will be."""

    directory: Path
    pki: Pki
    processes: Processes
    cluster: Cluster
    host: str
    """An address of this machine that nobody else uses: no port of it is taken."""
    made: set[str] = field(default_factory=set)

    @property
    def anchors(self) -> Path:
        return self.directory / "anchors.crt"

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    @property
    def listen(self) -> str:
        return f"{self.host}:8080"

    async def start_identity(self) -> Running:
        """The service, as a process, with the issuer of *pki*."""
        own = self.pki.leaf("jackstay-identity.jackstay").write(self.directory, "identity")
        certificate, key = self.directory / "issuer.crt", self.directory / "issuer.key"
        certificate.write_bytes(self.pki.issuer.pem)
        key.write_bytes(self.pki.issuer.key_pem)
        return await self.processes.start(
            *("identity", "--issuer-certificate", str(certificate), "--issuer-key", str(key)),
            *("--certificate", str(own.certificate), "--key", str(own.key)),
            *("--trust-anchors", str(self.anchors), "--kubeconfig", str(self.kubeconfig)),
            *("--listen", self.listen, "--admin", "127.0.0.1:0"),
        )

    async def flags(self, name: str) -> list[str]:
        """What the proxy of `account.namespace` takes; its token lies in a file of its own."""
        token = self.directory / f"{name}.token"
        token.write_text(await self.token(name))
        return [
            *("--identity-service", self.listen, "--identity-token", str(token)),
            *("--trust-anchors", str(self.anchors)),
        ]

    async def token(self, name: str) -> str:
        """A token of `account.namespace`, which are made if they are not there."""
        account, namespace = name.split(".")
        await self._have(NAMESPACE, {"name": namespace})
        await self._have(SERVICE_ACCOUNT, {"name": account, "namespace": namespace})
        granted = await self.cluster.create_token(namespace, account, audiences=[AUDIENCE], seconds=3600)
        return granted.token

    async def _have(self, kind: Kind, metadata: dict[str, str]) -> None:
        if (key := f"{kind.kind} {metadata}") not in self.made:
            self.made.add(key)
            body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
            await self.cluster.create(kind, body)


@asynccontextmanager
async def issuing(directory: Path, pki: Pki | None = None) -> AsyncIterator[Issuing]:
    """The cluster runs; the identity service is for the test to start."""
    pki = pki or Pki.make()
    host = ".".join(["127", *(str(random.randint(1, 250)) for _ in range(3))])
    async with (
        local_cluster() as local,
        Cluster(local.access) as cluster,
        processes(directory) as started,
    ):
        site = Issuing(directory, pki, started, cluster, host)
        site.anchors.write_bytes(pki.anchors_pem)
        site.kubeconfig.write_bytes(local.kubeconfig)
        yield site


async def asked(admin: str, method: str, path: str) -> tuple[int, str]:
    """What the process with this *admin* address answers."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://{admin}{path}") as answer,
    ):
        return answer.status, await answer.text()


async def metric(admin: str, name: str, **labels: str) -> float | None:
    """The value of a sample of that process, or None if there is none."""
    _, text = await asked(admin, "GET", "/metrics")
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return float(sample.value)
    return None
