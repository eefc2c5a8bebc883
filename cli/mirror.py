"""`jackstay mirror`: the process that copies the exported services of linked clusters into its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import structlog
import typer
from prometheus_client import CollectorRegistry

from certs.generation import Generation
from certs.refresh_metrics import RefreshMetrics
from certs.revocation_metrics import RevocationMetrics
from certs.source import CertificateSource, Told
from cli import options
from cli.certificates import CERTIFICATE, certificate_source, with_certificate
from cli.errors import explained
from cluster.access import Access
from cluster.client import Cluster
from cluster.errors import ClusterError
from cluster.kubeconfig import RefusedKubeconfig
from cluster.own_access import local
from gateway.frames import ALPN
from gateway.probe import ProbeFailed as PingFailed
from gateway.probe import ping
from mirror.controller import Controller
from mirror.metrics import Metrics
from mirror.probing import Probe, ProbeFailed
from mirror.settings import Settings
from process.address import Address
from process.admin import AdminServer, Readiness, accepting
from process.run import Stopping, run

log = structlog.get_logger()

_LISTED = "listed"


def _probe(certificates: CertificateSource) -> Probe:
    """Asks gateways over mutual TLS, with the certificate as it is then."""

    async def ask(address: Address, identity: str, *, timeout: float) -> float:
        try:
            return await ping(address, identity, certificates.generation(), timeout=timeout)
        except PingFailed as failure:
            raise ProbeFailed(str(failure), why=failure.reason.value) from failure

    return ask


def _counting(registry: CollectorRegistry) -> Told:
    refreshes, revocations = RefreshMetrics(registry), RevocationMetrics(registry)

    def told(generation: Generation | None) -> None:
        refreshes.told(generation)
        if generation is not None:
            revocations.told(generation)

    return told


async def serve(
    access: Access, settings: Settings, certificates: CertificateSource, admin: Address, stopping: Stopping
) -> int:
    """Mirror until *stopping*. Errors of clusters are waited out, not raised."""
    registry = CollectorRegistry()
    readiness = Readiness(CERTIFICATE, _LISTED)
    local = {("POST", "/renew"): accepting(certificates.renew, "renewing")}
    async with AdminServer(admin, readiness, registry, local=local) as server:

        async def mirror() -> None:
            async with Cluster(access) as cluster:
                controller = Controller(cluster, settings, _probe(certificates), Metrics(registry))
                async with _running(controller, readiness, server):
                    await stopping.wait()
                    readiness.draining()

        await with_certificate(certificates, _counting(registry), readiness, stopping, mirror)
    return 0


@asynccontextmanager
async def _running(controller: Controller, readiness: Readiness, server: AdminServer) -> AsyncIterator[None]:
    """The work of the process, for as long as the block lasts."""
    async with asyncio.TaskGroup() as tasks:
        works = [
            tasks.create_task(controller.run()),
            tasks.create_task(_announce(controller, readiness, server)),
        ]
        yield
        for work in works:
            work.cancel()


async def _announce(controller: Controller, readiness: Readiness, server: AdminServer) -> None:
    await controller.ready.wait()
    readiness.reported(_LISTED)
    log.info("mirror.ready", admin=str(server.address))


def command(
    *,
    trust_anchors: options.TrustAnchors,
    certificate: options.Certificate = None,
    key: options.Key = None,
    identity_service: options.IdentityService = None,
    identity_token: options.IdentityToken = options.IDENTITY_TOKEN,
    crl: options.Crl = None,
    admin: options.Admin = Address("", 9990),  # noqa: B008 - frozen
    allow_loopback: Annotated[
        bool,
        typer.Option(
            "--allow-loopback", help="Let gateways and linked clusters be on this machine (for the demo)."
        ),
    ] = False,
    most_mirrors: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many services one Link may mirror.")
    ] = 10_000,
    create_namespaces: Annotated[
        bool,
        typer.Option(
            "--create-namespaces", help="Make a namespace that is missing for a mirror, instead of waiting."
        ),
    ] = False,
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = None,
    namespace: options.Namespace = options.NAMESPACE,
    cluster_domain: options.ClusterDomain = options.CLUSTER_DOMAIN,
    trust_domain: options.TrustDomain = options.TRUST_DOMAIN,
    log_format: options.LogFormat = "auto",
    log_level: options.LogLevel = "info",
) -> None:
    r"""
    Copy the exported services of all linked clusters into this one, and keep them true.

    It reads the Links of its namespace and the clusters they lead to, and writes to its own cluster
    only. The certificate is what it shows to gateways when it asks whether they live.

    Example:  jackstay mirror --context west -n jackstay --admin 127.0.0.1:9992 \
                  --certificate mirror.crt --key mirror.key --trust-anchors root.crt
    """
    certificates = certificate_source(
        certificate,
        key,
        trust_anchors,
        identity_service=identity_service,
        identity_token=identity_token,
        control_namespace=namespace,
        trust_domain=trust_domain,
        alpn=(ALPN,),
        crl=crl,
    )
    with explained(RefusedKubeconfig, OSError):
        access = local(kubeconfig, context)
    settings = Settings(
        namespace=namespace,
        cluster_domain=cluster_domain,
        allow_loopback=allow_loopback,
        most_mirrors=most_mirrors,
        create_namespaces=create_namespaces,
    )

    async def main(stopping: Stopping) -> int:
        return await serve(access, settings, certificates, admin or Address("", 9990), stopping)

    with explained(OSError, ClusterError):
        raise typer.Exit(run(main, log_format=log_format, log_level=log_level))
