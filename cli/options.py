"""
The options that several commands share, so that each is spelled and explained once.

A command writes `namespace: Namespace = NAMESPACE`. Options are also read from the
environment (`cli.app`): no command looks there itself.
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from certs.service import AUDIENCE
from process.address import Address
from process.log import LogFormat as LogFormats
from process.log import LogLevel as LogLevels

NAMESPACE = "jackstay"
CLUSTER_DOMAIN = "cluster.local"
TRUST_DOMAIN = "cluster.local"
IDENTITY_TOKEN = Path("/var/run/secrets/identity.jackstay.io/token")


class OutputFormat(StrEnum):
    """How a command shows what it found."""

    TEXT = "text"
    JSON = "json"


class ManifestFormat(StrEnum):
    """How a command prints manifests."""

    YAML = "yaml"
    JSON = "json"


def print_json(value: object) -> None:
    """Print *value* on stdout as people and jq like it."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def address(text: str | Address) -> Address:
    """Read HOST:PORT of a command line. (Defaults pass here too, and are addresses already.)"""
    if isinstance(text, Address):
        return text
    try:
        return Address.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


IN_CLUSTER = "In a cluster"
TLS = "Certificates"
LOG = "Log"

Kubeconfig = Annotated[
    Path | None,
    typer.Option(
        "--kubeconfig",
        metavar="FILE",
        rich_help_panel=IN_CLUSTER,
        help="How to reach the cluster; else $KUBECONFIG, ~/.kube/config or, in a pod, its service account.",
    ),
]
Context = Annotated[
    str | None,
    typer.Option(
        "--context",
        metavar="NAME",
        rich_help_panel=IN_CLUSTER,
        help="The context of the kubeconfig; else its current one.",
    ),
]
Namespace = Annotated[
    str,
    typer.Option(
        "--namespace",
        "-n",
        metavar="NAME",
        rich_help_panel=IN_CLUSTER,
        help="Where jackstay's own objects are.",
    ),
]
ClusterDomain = Annotated[
    str,
    typer.Option(
        "--cluster-domain",
        metavar="DOMAIN",
        rich_help_panel=IN_CLUSTER,
        help="The DNS zone of the cluster's services.",
    ),
]
TrustDomain = Annotated[
    str,
    typer.Option(
        "--trust-domain",
        metavar="DOMAIN",
        help="The last part of the identities of this cluster.",
    ),
]
Output = Annotated[OutputFormat, typer.Option("--output", "-o", help="For people or for programs.")]
Manifests = Annotated[ManifestFormat, typer.Option("--output", "-o", help="The form of the manifests.")]
Listen = Annotated[
    Address,
    typer.Option(
        "--listen", parser=address, metavar="HOST:PORT", help="Where to listen; port 0 takes a free one."
    ),
]
Admin = Annotated[
    Address | None,
    typer.Option(
        "--admin",
        parser=address,
        metavar="HOST:PORT",
        help="Where /metrics, /ready and /live are served.",
    ),
]
Certificate = Annotated[
    Path | None,
    typer.Option(
        "--certificate",
        metavar="FILE",
        readable=False,  # our own sentence says it, and says what to do
        rich_help_panel=TLS,
        help="The leaf certificate followed by its issuers, PEM.",
    ),
]
Key = Annotated[
    Path | None,
    typer.Option(
        "--key", metavar="FILE", readable=False, rich_help_panel=TLS, help="The leaf's private key, PEM."
    ),
]
IdentityService = Annotated[
    Address | None,
    typer.Option(
        "--identity-service",
        parser=address,
        metavar="HOST:PORT",
        rich_help_panel=TLS,
        help="Who issues our certificate and renews it, instead of --certificate and --key.",
    ),
]
IdentityToken = Annotated[
    Path,
    typer.Option(
        "--identity-token",
        metavar="FILE",
        readable=False,
        rich_help_panel=TLS,
        help=f"The service account's token for it, of audience {AUDIENCE}; the kubelet keeps it fresh.",
    ),
]
TrustAnchors = Annotated[
    Path,
    typer.Option(
        "--trust-anchors",
        metavar="FILE",
        readable=False,
        rich_help_panel=TLS,
        help="The certificates of the authorities that vouch for peers, PEM.",
    ),
]
Crl = Annotated[
    Path | None,
    typer.Option(
        "--crl",
        metavar="FILE",
        readable=False,
        rich_help_panel=TLS,
        help="Revocation lists (CRLs), PEM or DER, one for each signer of a peer's chain: none, no entry.",
    ),
]
LogFormat = Annotated[
    LogFormats,
    typer.Option("--log-format", rich_help_panel=LOG, help="auto: text on a terminal, else JSON."),
]
LogLevel = Annotated[
    LogLevels, typer.Option("--log-level", rich_help_panel=LOG, help="What is not written is less urgent.")
]
