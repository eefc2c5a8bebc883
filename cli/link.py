"""`jackstay link`: the manifests by which one cluster uses the exported services of another."""

import asyncio
import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import urlsplit

import typer

from certs.identity import Identity, InvalidIdentity
from cli.errors import CliError, explained
from cli.label_selector import BadSelector, label_selector
from cli.manifests import (
    CREATED_BY,
    GATEWAY,
    IDENTITY_ANNOTATION,
    PROBE_PATH_ANNOTATION,
    PROBE_PERIOD_ANNOTATION,
    REMOTE_ACCESS,
    Manifest,
    as_json,
    as_yaml,
    credentials_secret,
    manifest,
)
from cli.options import (
    CLUSTER_DOMAIN,
    NAMESPACE,
    ClusterDomain,
    Context,
    Kubeconfig,
    ManifestFormat,
    Manifests,
    Namespace,
)
from cluster.client import Cluster
from cluster.errors import ClusterError, NotFound
from cluster.kinds import LINK, SERVICE
from cluster.kubeconfig import Access, RefusedKubeconfig, local, render
from cluster.kubeconfig_fields import server_url
from cluster.objects import Malformed, Service, ServicePort
from process.address import is_ip, refused_range

EXPORTED = "mirror.linkerd.io/exported=true"
REMOTE_DISCOVERY = "mirror.linkerd.io/exported=remote-discovery"
FEDERATED = "mirror.linkerd.io/federated=member"
TOKEN_SECONDS = 30 * 24 * 3600
"""Asked for; the server grants what it likes, and the mirror renews it in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line says about the link."""

    cluster_name: str
    """What the other cluster is called here; the suffix of its services."""

    namespace: str = NAMESPACE
    cluster_domain: str = CLUSTER_DOMAIN
    gateway_addresses: tuple[str, ...] = ()
    """Instead of those in the gateway's Service."""

    gateway_port: int | None = None
    selector: str = EXPORTED
    remote_discovery_selector: str = REMOTE_DISCOVERY
    federated_selector: str = FEDERATED
    excluded_labels: tuple[str, ...] = field(default=())
    excluded_annotations: tuple[str, ...] = field(default=())


def manifests(wanted: Wanted, gateway: Service, kubeconfig: bytes) -> tuple[Manifest, Manifest]:
    """
    The Secret and the Link, for the cluster that is to use the other's services.

    *gateway* is the Service over there, *kubeconfig* what opens that cluster's API to the
    mirror. Raises CliError, saying what is missing and what makes it.
    """
    _check_name(wanted.cluster_name)
    credentials = f"cluster-credentials-{wanted.cluster_name}"
    spec: Manifest = {
        "targetClusterName": wanted.cluster_name,
        "targetClusterDomain": wanted.cluster_domain,
        "targetClusterLinkerdNamespace": wanted.namespace,
        "clusterCredentialsSecret": credentials,
        "gatewayAddress": ",".join(_addresses(wanted, gateway)),
        "gatewayPort": str(wanted.gateway_port or _port(gateway, "mc-gateway")),
        "gatewayIdentity": _identity(gateway),
        "probeSpec": {
            "path": _probe_path(gateway),
            "port": str(_port(gateway, "mc-probe")),
            "period": _probe_period(gateway),
        },
    }
    for name, text in (
        ("selector", wanted.selector),
        ("remoteDiscoverySelector", wanted.remote_discovery_selector),
        ("federatedServiceSelector", wanted.federated_selector),
    ):
        with explained(BadSelector):
            if selector := label_selector(text):
                spec[name] = selector
    for name, excluded in (
        ("excludedLabels", wanted.excluded_labels),
        ("excludedAnnotations", wanted.excluded_annotations),
    ):
        if excluded:
            spec[name] = list(excluded)
    return (
        credentials_secret(credentials, wanted.namespace, kubeconfig),
        manifest(LINK, wanted.cluster_name, wanted.namespace, annotations=CREATED_BY, spec=spec),
    )


def only_from_here(server: str, addresses: Iterable[str]) -> Iterator[str]:
    """What of a link can be reached from its own machine only, as sentences: a mirror refuses it."""
    hosts = [("API server", urlsplit(server).hostname or "", "--api-server-address")]
    hosts += [("gateway", address, "--gateway-addresses") for address in addresses]
    for what, host, option in hosts:
        if host == "localhost" or (is_ip(host) and refused_range(host, allow_loopback=False)):
            yield f"no other machine reaches the {what} at {host}: say where it does, with {option}"


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z]([-a-z0-9]{0,30}[a-z0-9])?", name):
        raise CliError(
            f"--cluster-name {name!r}: services are named after it, so it has 1 to 32 letters a-z, digits "
            "and hyphens, beginning with a letter"
        )


def _addresses(wanted: Wanted, gateway: Service) -> tuple[str, ...]:
    found = wanted.gateway_addresses or gateway.ingress
    if not found:
        raise CliError(
            f"the Service {gateway.metadata.key} has no address yet (status.loadBalancer.ingress is empty)",
            hint="Wait for it, or name an address at which the gateway is reached, as in "
            "--gateway-addresses 203.0.113.7",
        )
    for address in found:
        if not is_ip(address) and not _HOST.fullmatch(address):
            raise CliError(f"the gateway's address {address!r} is neither an IP address nor a host name")
    return tuple(str(ipaddress.ip_address(address)) if is_ip(address) else address for address in found)


def _port(gateway: Service, name: str) -> int:
    port: ServicePort | None = next((port for port in gateway.ports if port.name == name), None)
    if port is None:
        raise CliError(f"the Service {gateway.metadata.key} has no port named {name}")
    return port.node_port if gateway.type == "NodePort" and port.node_port else port.port


def _identity(gateway: Service) -> str:
    identity = _annotation(
        gateway,
        IDENTITY_ANNOTATION,
        f"{GATEWAY}.{NAMESPACE}.serviceaccount.identity.{NAMESPACE}.cluster.local",
    )
    try:
        return Identity.parse(identity).dns_name
    except InvalidIdentity as error:
        raise CliError(f"the annotation {IDENTITY_ANNOTATION} of {gateway.metadata.key}: {error}") from error


def _probe_path(gateway: Service) -> str:
    path = _annotation(gateway, PROBE_PATH_ANNOTATION, "/ready")
    if not path.startswith("/"):
        raise CliError(
            f"the annotation {PROBE_PATH_ANNOTATION} of {gateway.metadata.key} is no path: {path!r}"
        )
    return path


def _probe_period(gateway: Service) -> str:
    """The period as a duration; a plain number is seconds."""
    period = _annotation(gateway, PROBE_PERIOD_ANNOTATION, "3")
    if _SECONDS.fullmatch(period):
        return f"{period}s"
    if _DURATION.fullmatch(period):
        return period
    raise CliError(
        f"the annotation {PROBE_PERIOD_ANNOTATION} of {gateway.metadata.key} is neither a number of seconds "
        f"nor a duration as 1m30s: {period!r}"
    )


def _annotation(gateway: Service, name: str, example: str) -> str:
    value = gateway.metadata.annotations.get(name, "").strip()
    if not value:
        namespace, service = gateway.metadata.key
        raise CliError(
            f"the Service {gateway.metadata.key} has no annotation {name}",
            hint=f"Set it: kubectl -n {namespace} annotate service {service} {name}={example}",
        )
    return value


_HOST = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9_]([-\w]*[A-Za-z0-9])?(\.[A-Za-z0-9_]([-\w]*[A-Za-z0-9])?)*\.?", re.ASCII
)
_SECONDS = re.compile(r"[1-9][0-9]{0,6}")
_DURATION = re.compile(r"([0-9]+(\.[0-9]+)?(ms|s|m|h))+")


async def read(
    access: Access, *, namespace: str, gateway_name: str, service_account: str, server: str, name: str
) -> tuple[Service, bytes]:
    """The gateway's Service in the other cluster, and a kubeconfig with a fresh token for its API."""
    if not access.ca_data:
        raise CliError(
            f"the kubeconfig names no certificate authority for {access.server}, and a Link trusts no other",
            hint="Name it: kubectl config set-cluster NAME --certificate-authority=ca.crt --embed-certs",
        )
    async with Cluster(access) as cluster:
        try:
            gateway = Service.from_dict(await cluster.get(SERVICE, namespace, gateway_name))
        except NotFound as error:
            raise CliError(
                f"cluster {access} has no Service {namespace}/{gateway_name}: is the gateway in another "
                "namespace (-n) or of another name (--gateway-name)?"
            ) from error
        try:
            token = await cluster.create_token(namespace, service_account, seconds=TOKEN_SECONDS)
        except NotFound as error:
            raise CliError(
                f"cluster {access} has no ServiceAccount {namespace}/{service_account} for the mirror",
                hint=f"Make it: kubectl -n {namespace} create serviceaccount {service_account}",
            ) from error
    kubeconfig = render(
        server or access.server, access.ca_data, token.token, user=service_account, cluster=name
    )
    return gateway, kubeconfig


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def command(
    *,
    cluster_name: Annotated[
        str, typer.Option(metavar="NAME", help="What the cluster is called where its services are used.")
    ],
    gateway_addresses: Annotated[
        str,
        typer.Option(
            metavar="A,B", help="Where its gateway is reached; else what its Service's load balancer says."
        ),
    ] = "",
    gateway_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Instead of its Service's port mc-gateway.")
    ] = None,
    gateway_name: Annotated[str, typer.Option(metavar="NAME", help="The Service of its gateway.")] = GATEWAY,
    api_server_address: Annotated[
        str,
        typer.Option(metavar="URL", help="Where the mirror reaches its API; else as the kubeconfig does."),
    ] = "",
    service_account: Annotated[
        str, typer.Option("--service-account-name", metavar="NAME", help="As whom the mirror reads it.")
    ] = REMOTE_ACCESS,
    selector: Annotated[
        str, typer.Option("--selector", "-l", metavar="LABELS", help="Which Services are mirrored.")
    ] = EXPORTED,
    remote_discovery_selector: Annotated[
        str, typer.Option(metavar="LABELS", help="Which are found on a flat network, without the gateway.")
    ] = REMOTE_DISCOVERY,
    federated_service_selector: Annotated[
        str, typer.Option(metavar="LABELS", help="Which are members of a service of all clusters.")
    ] = FEDERATED,
    excluded_labels: Annotated[
        str, typer.Option(metavar="A,B/*", help="Labels that mirrors do not get.")
    ] = "",
    excluded_annotations: Annotated[
        str, typer.Option(metavar="A,B/*", help="Annotations that mirrors do not get.")
    ] = "",
    output: Manifests = ManifestFormat.YAML,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = NAMESPACE,
    cluster_domain: ClusterDomain = CLUSTER_DOMAIN,
) -> None:
    """
    Print the manifests that link a cluster, to be applied where its services are to be used.

    It reads the other cluster (here: east), and changes nothing in it but for asking a token.

    Example:  jackstay link --context east --cluster-name east | kubectl --context west apply -f -
    """
    wanted = Wanted(
        cluster_name=cluster_name,
        namespace=namespace,
        cluster_domain=cluster_domain,
        gateway_addresses=_listed(gateway_addresses),
        gateway_port=gateway_port,
        selector=selector,
        remote_discovery_selector=remote_discovery_selector,
        federated_selector=federated_service_selector,
        excluded_labels=_listed(excluded_labels),
        excluded_annotations=_listed(excluded_annotations),
    )
    if api_server_address:
        try:
            server_url(api_server_address, allow_loopback=True)
        except RefusedKubeconfig as error:
            raise typer.BadParameter(
                f"{api_server_address!r} {error.sentence}; write it as https://HOST:PORT",
                param_hint="'--api-server-address'",
            ) from error
    with explained(ClusterError, RefusedKubeconfig, OSError, Malformed):
        access = local(kubeconfig, context)
        gateway, credentials = asyncio.run(
            read(
                access,
                namespace=namespace,
                gateway_name=gateway_name,
                service_account=service_account,
                server=api_server_address,
                name=cluster_name,
            )
        )
    made = manifests(wanted, gateway, credentials)
    for sentence in only_from_here(api_server_address or access.server, _addresses(wanted, gateway)):
        typer.echo(f"jackstay: warning: {sentence}", err=True)
    typer.echo(as_yaml(made) if output is ManifestFormat.YAML else as_json(made), nl=False)
