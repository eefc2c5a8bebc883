"""`jackstay gateway`: the process that lets peers in, to what its cluster (or a file) exports."""

import asyncio
import functools
import os
from pathlib import Path
from typing import Annotated

import typer
from prometheus_client import CollectorRegistry

from cli import limits, options
from cli.certificates import CERTIFICATE, certificate_source, with_certificate
from cli.cluster_source import OwnCluster, follow_routes
from cli.errors import CliError, explained
from cluster.metadata import Key
from gateway import frames, transport_header
from gateway.current import Current, follow_file, read_file
from gateway.files import InvalidFile, read_routes
from gateway.inquiries import Inquiries, from_supervisor, over_http
from gateway.metrics import DataPathMetrics
from gateway.pump import PumpLimits
from gateway.routes import NO_ROUTES, RouteTable
from gateway.server import Listening, inbound_server
from gateway.settings import Deadlines, Drain, InboundSettings
from gateway.workers import Inherited, inbound_worker, supervise_gateway
from process.address import Address
from process.admin import Readiness
from process.run import run
from process.supervisor import our_command_line

_ROUTES = "routes"


def _inherited(text: str) -> Inherited:
    try:
        return Inherited.parse(text)
    except ValueError:
        raise typer.BadParameter("only a supervisor knows what belongs here") from None


@limits.flags(limits.GATEWAY)
def command(
    *,
    trust_anchors: options.TrustAnchors,
    certificate: options.Certificate = None,
    key: options.Key = None,
    identity_service: options.IdentityService = None,
    identity_token: options.IdentityToken = options.IDENTITY_TOKEN,
    crl: options.Crl = None,
    listen: options.Listen = Address("", 4143),  # noqa: B008  # frozen
    admin: options.Admin = Address("", 9990),  # noqa: B008
    probe: Annotated[
        Address | None,
        typer.Option(
            parser=options.address,
            metavar="HOST:PORT",
            help="Where /ready and /live are served to everyone, for load balancers.",
        ),
    ] = None,
    routes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What to export, as TOML; without it the cluster is asked."),
    ] = None,
    cluster_name: Annotated[
        str,
        typer.Option(metavar="NAME", help="Our name; a peer that wants another cluster is refused."),
    ] = "",
    allow_loopback_backends: Annotated[
        bool,
        typer.Option("--allow-loopback-backends", help="Let endpoints be on this machine (for the demo)."),
    ] = False,
    allow_services: Annotated[
        str,
        typer.Option(
            metavar="NS/NAME,...",
            help="Services that may be exported although they select no pods, are external or mirrors, "
            "or are at the addresses of nodes.",
        ),
    ] = "",
    zone: Annotated[
        str,
        typer.Option(metavar="NAME", help="Our own zone, as nodes are labelled; endpoints in it come first."),
    ] = "",
    drain_delay: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="How long SIGTERM leaves the door open: 8 s with a cluster, 0 with a file.",
        ),
    ] = None,
    drain_timeout: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long streams may go on after that.")
    ] = 25.0,
    workers: Annotated[
        int,
        typer.Option(
            min=0,
            max=256,
            metavar="N",
            help="Processes that serve, each on a core; 0 is one for each core that we may use.",
        ),
    ] = 1,
    worker_timeout: Annotated[
        float,
        typer.Option(
            min=0.1,
            metavar="SECONDS",
            help="One of several that hangs for so long is killed and replaced.",
        ),
    ] = 30.0,
    worker: Annotated[
        Inherited | None,
        typer.Option(parser=_inherited, hidden=True, help="For a worker: what its supervisor gave it."),
    ] = None,
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
    Let peers with a certificate in, to exported services and to nothing else.

    In a cluster the Services labelled mirror.linkerd.io/exported=true; from a file, what it lists:

        jackstay gateway --routes routes.toml --listen 127.0.0.1:4143 --admin 127.0.0.1:9990 \
            --certificate gw.crt --key gw.key --trust-anchors root.crt
    """
    if routes is not None and (kubeconfig is not None or context is not None):
        raise CliError(
            "with --routes no cluster is asked: --kubeconfig and --context would have no effect",
            hint="Name either the file or the cluster.",
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
    delay = drain_delay if drain_delay is not None else (0.0 if routes else 8.0)
    settings = InboundSettings(
        cluster=cluster_name,
        cluster_domain=cluster_domain,
        allow_loopback=allow_loopback_backends,
        deadlines=Deadlines(
            pump=PumpLimits(**limits.chosen(limits.GATEWAY, chosen, "pump")),
            **limits.chosen(limits.GATEWAY, chosen, "deadlines"),
        ),
        **limits.chosen(limits.GATEWAY, chosen, "inbound"),
        drain=Drain(delay=delay, timeout=drain_timeout),
    )
    table: Current[RouteTable] = Current(NO_ROUTES)
    registry = CollectorRegistry()
    metrics = DataPathMetrics(registry, "inbound")
    readiness = Readiness(CERTIFICATE, _ROUTES)

    first: RouteTable | None = None
    own: OwnCluster | None = None
    read = functools.partial(read_routes, zone=zone)
    if routes is not None:
        with explained(InvalidFile, hint=f"The file is {routes}; README.md shows one."):
            first = read_file(routes, read)
    else:
        own = OwnCluster.of(
            kubeconfig, context, namespace, cluster_domain,
            allow_loopback=allow_loopback_backends, listed=_listed(allow_services), zone=zone,
        )  # fmt: skip

    listening = Listening(peers=listen, admin=admin or Address("", 9990), probe=probe)

    async def serve(stopping: asyncio.Event) -> int:
        """One process that serves: the only one, or a worker."""
        inquiries = Inquiries(readiness, registry, stopping, certificates.renew)
        answering = (
            over_http(inquiries, listening.admin, listening.probe)
            if worker is None
            else from_supervisor(inquiries, worker.control)
        )
        async with answering:
            work = functools.partial(carry, inquiries)
            await with_certificate(certificates, metrics.certificate, readiness, stopping, work)
        return 0

    async def carry(inquiries: Inquiries) -> None:
        """Serve with the certificate that there is now, until we are asked to end."""
        serving = (
            functools.partial(inbound_server, listen)
            if worker is None
            else functools.partial(inbound_worker, worker)
        )
        async with asyncio.TaskGroup() as tasks:
            async with serving(settings, certificates, table, metrics, inquiries) as announce:

                async def took(new: RouteTable) -> None:
                    table.swap(new)
                    if _ROUTES in readiness.missing:
                        readiness.reported(_ROUTES)
                        announce()

                if first is not None and routes is not None:
                    await took(first)
                    source = functools.partial(follow_file, routes, read, took, "routes", metrics)
                else:
                    assert own is not None
                    source = functools.partial(follow_routes, own, took, metrics)
                following = tasks.create_task(source())
                await inquiries.stopping.wait()
            following.cancel()

    async def supervise(stopping: asyncio.Event) -> int:
        await supervise_gateway(
            count,
            our_command_line(),
            listening,
            certificates.identity,  # the supervisor shows no certificate, and asks for none
            settings.drain,
            stopping,
            hung_after=worker_timeout,
        )
        return 0

    count = workers or len(os.sched_getaffinity(0))
    main = serve
    if worker is None and count > 1:
        main = supervise
    always = {"worker": worker.number} if worker is not None else {}
    with explained(OSError):
        raise typer.Exit(run(main, log_format=log_format, log_level=log_level, always=always))


def _listed(text: str) -> frozenset[Key]:
    """The Services of a list, each as namespace/name. Raises CliError."""
    found = set()
    for entry in filter(None, (part.strip() for part in text.split(","))):
        namespace, slash, name = entry.partition("/")
        if not (namespace and slash and name) or "/" in name:
            raise CliError(
                f"--allow-services: {entry!r} is no Service",
                hint="Write namespace/name, and commas between several: test/legacy,test/billing",
            )
        found.add(Key(namespace, name))
    return frozenset(found)
