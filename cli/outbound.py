"""`jackstay outbound`: the process beside the applications, which carries their connections away."""

import asyncio
import functools
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from prometheus_client import CollectorRegistry

from cli import limits, options
from cli.certificates import CERTIFICATE, certificate_source, with_certificate
from cli.cluster_source import OwnCluster, follow_targets
from cli.errors import CliError, explained
from gateway import frames, transport_header
from gateway.current import follow_file, read_file
from gateway.files import InvalidFile, read_targets
from gateway.inquiries import Inquiries, over_http
from gateway.metrics import DataPathMetrics
from gateway.pump import PumpLimits
from gateway.routes import TargetTable
from gateway.server import outbound_server
from gateway.settings import Deadlines, Drain, OutboundSettings, PoolSettings
from process.address import Address
from process.admin import Readiness
from process.run import run

_TARGETS = "targets"


class Mode(StrEnum):
    """How the proxy knows where a connection was going."""

    FILE = "file"
    CLUSTER_IP = "cluster-ip"


@limits.flags(limits.OUTBOUND)
def command(
    *,
    trust_anchors: options.TrustAnchors,
    certificate: options.Certificate = None,
    key: options.Key = None,
    identity_service: options.IdentityService = None,
    identity_token: options.IdentityToken = options.IDENTITY_TOKEN,
    crl: options.Crl = None,
    targets: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What to offer, as TOML; not with --mode cluster-ip.")
    ] = None,
    mode: Annotated[
        Mode,
        typer.Option(help="file: as --targets says. cluster-ip: listen on the mirrored Services' addresses."),
    ] = Mode.FILE,
    admin: options.Admin = Address("", 9990),  # noqa: B008  # frozen
    allow_loopback: Annotated[
        bool, typer.Option("--allow-loopback", help="Let gateways be on this machine; with a file they may.")
    ] = False,
    drain_delay: Annotated[
        float,
        typer.Option(min=0, metavar="SECONDS", help="How long connections are still accepted after SIGTERM."),
    ] = 0.0,
    drain_timeout: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long streams may go on after that.")
    ] = 25.0,
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = None,
    namespace: options.Namespace = options.NAMESPACE,
    cluster_domain: options.ClusterDomain = options.CLUSTER_DOMAIN,
    trust_domain: options.TrustDomain = options.TRUST_DOMAIN,
    log_format: options.LogFormat = "auto",
    log_level: options.LogLevel = "info",
    **chosen: float,
) -> None:
    r"""
    Carry connections to services of other clusters, through their gateways.

        jackstay outbound --targets targets.toml --admin 127.0.0.1:9991 \
            --certificate app.crt --key app.key --trust-anchors root.crt
    """
    if (targets is None) == (mode is Mode.FILE):
        raise CliError(
            "it is not said what to offer: that takes --targets FILE or --mode cluster-ip, and not both",
            hint="jackstay outbound --targets targets.toml ...",
        )
    if targets is not None and (kubeconfig is not None or context is not None):
        raise CliError(
            "with --targets no cluster is asked: --kubeconfig and --context would have no effect",
            hint="Name either the file or, with --mode cluster-ip, the cluster.",
        )
    certificates = certificate_source(
        certificate,
        key,
        trust_anchors,
        identity_service=identity_service,
        identity_token=identity_token,
        control_namespace=namespace,
        trust_domain=trust_domain,
        alpn=(frames.ALPN, transport_header.ALPN),
        crl=crl,
    )
    settings = OutboundSettings(
        allow_loopback=allow_loopback or targets is not None,
        pool=PoolSettings(**limits.chosen(limits.OUTBOUND, chosen, "pool")),
        deadlines=Deadlines(
            pump=PumpLimits(**limits.chosen(limits.OUTBOUND, chosen, "pump")),
            **limits.chosen(limits.OUTBOUND, chosen, "deadlines"),
        ),
        **limits.chosen(limits.OUTBOUND, chosen, "outbound"),
        drain=Drain(delay=drain_delay, timeout=drain_timeout),
    )
    registry = CollectorRegistry()
    metrics = DataPathMetrics(registry, "outbound")
    readiness = Readiness(CERTIFICATE, _TARGETS)
    first: TargetTable | None = None
    own: OwnCluster | None = None
    if targets is not None:
        with explained(InvalidFile, hint=f"The file is {targets}; README.md shows one."):
            first = read_file(targets, read_targets)
    else:
        own = OwnCluster.of(kubeconfig, context, namespace, cluster_domain, allow_loopback=allow_loopback)

    async def main(stopping: asyncio.Event) -> int:
        inquiries = Inquiries(readiness, registry, stopping, certificates.renew)
        async with over_http(inquiries, admin or Address("", 9990)):
            work = functools.partial(carry, inquiries)
            await with_certificate(certificates, metrics.certificate, readiness, stopping, work)
        return 0

    async def carry(inquiries: Inquiries) -> None:
        """Serve with the certificate that there is now, until we are asked to end."""
        async with asyncio.TaskGroup() as tasks:
            async with outbound_server(
                settings, certificates, metrics, inquiries, strict=targets is not None
            ) as offer:

                async def took(table: TargetTable) -> None:
                    await offer(table)
                    readiness.reported(_TARGETS)

                if first is not None and targets is not None:
                    await took(first)
                    source = functools.partial(follow_file, targets, read_targets, took, "targets", metrics)
                else:
                    assert own is not None
                    source = functools.partial(follow_targets, own, took, metrics)
                following = tasks.create_task(source())
                await inquiries.stopping.wait()
            following.cancel()

    with explained(OSError):
        raise typer.Exit(run(main, log_format=log_format, log_level=log_level))
