"""`jackstay install`: print what makes a cluster take part."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from certs.generation import load_bundle
from certs.trust_bundle import InvalidTrustBundle
from cli.errors import CliError, explained
from cli.install.everything import manifests, missing_secrets
from cli.install.wanted import IMAGE, ServiceType, Wanted, read_shown
from cli.manifests import as_json, as_yaml
from cli.options import (
    CLUSTER_DOMAIN,
    NAMESPACE,
    TRUST_DOMAIN,
    ClusterDomain,
    ManifestFormat,
    Manifests,
    Namespace,
    TrustDomain,
)

PARTS = "Which parts"
FILES = "Certificates"


def command(
    *,
    trust_anchors: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            rich_help_panel=FILES,
            help="The certificates of the authorities that vouch for all clusters, PEM.",
        ),
    ],
    gateway_tls: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="CRT KEY",
            rich_help_panel=FILES,
            help="The gateway's leaf and key; else the Secret jackstay-gateway-tls is made by you.",
        ),
    ] = None,
    mirror_tls: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="CRT KEY",
            rich_help_panel=FILES,
            help="The mirror's leaf and key; else the Secret jackstay-mirror-tls is made by you.",
        ),
    ] = None,
    issuer_certificate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=FILES,
            help="This cluster's issuer, PEM, for the identity service; with --issuer-key.",
        ),
    ] = None,
    issuer_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", rich_help_panel=FILES, help="The issuer's private key, PEM."),
    ] = None,
    identity: Annotated[
        bool,
        typer.Option(
            "--identity",
            rich_help_panel=PARTS,
            help="Issue certificates in this cluster; goes without saying with --issuer-certificate.",
        ),
    ] = False,
    gateway: Annotated[
        bool,
        typer.Option(
            "--gateway/--no-gateway",
            rich_help_panel=PARTS,
            help="Let services of this cluster be used from others.",
        ),
    ] = True,
    mirror: Annotated[
        bool,
        typer.Option(
            "--mirror/--no-mirror", rich_help_panel=PARTS, help="Show services of other clusters here."
        ),
    ] = True,
    crds: Annotated[
        bool,
        typer.Option(
            "--crds/--no-crds", rich_help_panel=PARTS, help="Define Link and TrafficSplit (jackstay crds)."
        ),
    ] = True,
    image: Annotated[str, typer.Option(metavar="IMAGE", help="What all our pods run.")] = IMAGE,
    gateway_replicas: Annotated[int, typer.Option(min=1, metavar="N", help="How many gateway pods.")] = 2,
    mirror_replicas: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many mirror pods; one works, the others stand by.")
    ] = 2,
    create_namespaces: Annotated[
        bool,
        typer.Option(
            "--create-namespaces",
            help="Let the mirror make namespaces that are missing for its mirrors, instead of waiting.",
        ),
    ] = False,
    gateway_service_type: Annotated[
        ServiceType, typer.Option(help="How the gateway is reached from outside.")
    ] = ServiceType.LOAD_BALANCER,
    log_level: Annotated[
        str, typer.Option(metavar="LEVEL", help="Of our pods: debug, info, warning or error.")
    ] = "info",
    output: Manifests = ManifestFormat.YAML,
    namespace: Namespace = NAMESPACE,
    cluster_domain: ClusterDomain = CLUSTER_DOMAIN,
    trust_domain: TrustDomain = TRUST_DOMAIN,
) -> None:
    r"""
    Print the manifests of gateway, mirror and identity service, for kubectl apply.

    It asks no cluster and changes none. What it prints holds the keys that are given.

    Example:  jackstay install --trust-domain east.example --trust-anchors root.crt \
    --gateway-tls gateway.crt gateway.key --mirror-tls mirror.crt mirror.key \
    | kubectl --context east apply -f -
    """
    with explained(InvalidTrustBundle):
        bundle = load_bundle(trust_anchors)
    wanted = Wanted(
        trust_anchors=bundle,
        namespace=namespace,
        cluster_domain=cluster_domain,
        trust_domain=trust_domain,
        image=image,
        crds=crds,
        gateway=gateway,
        mirror=mirror,
        identity_service=identity or issuer_certificate is not None,
        gateway_replicas=gateway_replicas,
        gateway_service_type=gateway_service_type,
        gateway_tls=read_shown(gateway_tls),
        mirror_replicas=mirror_replicas,
        create_namespaces=create_namespaces,
        mirror_tls=read_shown(mirror_tls),
        issuer=read_shown(_pair(issuer_certificate, issuer_key)),
        log_level=log_level,
    )
    wanted.check(datetime.now(UTC))
    made = list(manifests(wanted))
    for line in missing_secrets(wanted):
        typer.echo(f"jackstay: pods wait until there is a certificate for them: {line}", err=True)
    typer.echo(as_yaml(made) if output is ManifestFormat.YAML else as_json(made), nl=False)


def _pair(certificate: Path | None, key: Path | None) -> tuple[Path, Path] | None:
    """Both files or none. Raises CliError."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise CliError("--issuer-certificate and --issuer-key go together: give both, or neither")
    return certificate, key
