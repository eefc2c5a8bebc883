"""`jackstay identity`: issue leaves to workloads that show a service account's token."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from certs.authority import SKEW
from certs.credentials import InvalidCredentials
from certs.files import CertificateFiles
from certs.generation import load_bundle
from certs.identity import InvalidIdentity
from certs.issuer import Settings
from certs.lifetime import parse
from certs.rate_limit import Rate
from certs.service import DEFAULT_RATE
from certs.trust_bundle import InvalidTrustBundle
from cli.errors import CliError, explained
from cli.identity_process import IssuerSource, Wanted, serve
from cli.options import (
    NAMESPACE,
    TLS,
    TRUST_DOMAIN,
    Admin,
    Context,
    Kubeconfig,
    Listen,
    LogFormat,
    LogLevel,
    Namespace,
    TrustAnchors,
    TrustDomain,
)
from cluster.errors import ClusterError
from cluster.kubeconfig import RefusedKubeconfig
from cluster.own_access import local
from process.run import run

ISSUING = "Issuing"


def _lifetime(text: str) -> timedelta:
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def command(
    *,
    trust_anchors: TrustAnchors,
    issuer_secret: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=ISSUING,
            help="A Secret in --namespace with the issuer's tls.crt and tls.key; followed.",
        ),
    ] = None,
    issuer_certificate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            readable=False,
            rich_help_panel=ISSUING,
            help="Instead of a Secret: the certificate of the issuer, PEM; followed.",
        ),
    ] = None,
    issuer_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", readable=False, rich_help_panel=ISSUING, help="The issuer's private key, PEM."
        ),
    ] = None,
    issuance_lifetime: Annotated[
        timedelta,
        typer.Option(
            parser=_lifetime,
            metavar="TIME",
            rich_help_panel=ISSUING,
            help="How long a leaf is valid, unless its issuer ends before: 30m, 24h, 7d.",
        ),
    ] = "24h",  # type: ignore[assignment]  # typer parses defaults too
    clock_skew: Annotated[
        float,
        typer.Option(
            min=0,
            max=3600,
            metavar="SECONDS",
            rich_help_panel=ISSUING,
            help="How long before its making a leaf begins to be valid, for clocks that are behind.",
        ),
    ] = SKEW.total_seconds(),
    issuance_rate: Annotated[
        float,
        typer.Option(
            min=0.001,
            metavar="PER-SECOND",
            rich_help_panel=ISSUING,
            help="Requests that one service account may make over time.",
        ),
    ] = DEFAULT_RATE.per_second,
    issuance_burst: Annotated[
        float,
        typer.Option(min=1, metavar="N", rich_help_panel=ISSUING, help="Requests that it may make at once."),
    ] = DEFAULT_RATE.burst,
    certificate: Annotated[
        Path | None,
        typer.Option(
            "--certificate",
            metavar="FILE",
            readable=False,
            rich_help_panel=TLS,
            help="The certificate that the service itself shows, PEM; followed. Else it issues its own.",
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key", metavar="FILE", readable=False, rich_help_panel=TLS, help="That one's private key, PEM."
        ),
    ] = None,
    listen: Listen = ":8080",  # type: ignore[assignment]  # typer parses defaults too
    admin: Admin = ":9990",  # type: ignore[assignment]  # typer parses defaults too
    trust_domain: TrustDomain = TRUST_DOMAIN,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = NAMESPACE,
    log_format: LogFormat = "auto",
    log_level: LogLevel = "info",
) -> None:
    r"""
    Issue certificates to workloads that show a service account's token.

    They POST identity, token and certificate request to /v1/certify, over TLS. The issuer and the trust
    anchors are followed: a new issuer is used without a restart, one that is broken is not.

    Example:  jackstay identity --trust-anchors root.crt \
    --issuer-certificate issuer.crt --issuer-key issuer.key
    """
    settings = Settings(namespace, trust_domain, issuance_lifetime, timedelta(seconds=clock_skew))
    with explained(InvalidIdentity):
        _ = settings.own
    with explained(InvalidCredentials, InvalidTrustBundle):
        bundle = load_bundle(trust_anchors, at=datetime.now(UTC))
        shown = _files(certificate, key, trust_anchors)
    source = IssuerSource.of(issuer_secret, issuer_certificate, issuer_key)
    with explained(RefusedKubeconfig, OSError):
        access = local(kubeconfig, context)
    rate = Rate(issuance_rate, issuance_burst)
    wanted = Wanted(settings, rate, bundle, trust_anchors, source, shown, access, listen, admin)
    with explained(ClusterError, OSError):
        code = run(lambda stopping: serve(wanted, stopping), log_format=log_format, log_level=log_level)
    raise typer.Exit(code)


def _files(certificate: Path | None, key: Path | None, trust_anchors: Path) -> CertificateFiles | None:
    """The files of the service's own certificate, if there are such. Raises CliError."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise CliError("--certificate and --key go together: give both, or neither and it issues its own")
    return CertificateFiles(certificate, key, trust_anchors, alpn=())
