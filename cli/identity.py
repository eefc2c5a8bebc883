"""`jackstay identity`: issue leaves to workloads that show a service account's token."""

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import structlog
import typer
from prometheus_client import CollectorRegistry

from certs import pem
from certs.authority import Authority, CannotIssue, load_authority, make_leaf
from certs.credentials import InvalidCredentials, read_chain, read_key
from certs.generation import load_fit
from certs.identity import Identity, InvalidIdentity
from certs.service import (
    IdentityService,
    ReviewFailed,
    Settings,
    TokenRefused,
    check_taken,
    served,
)
from certs.trust_bundle import InvalidTrustBundle, TrustBundle
from certs.trust_metrics import TrustMetrics
from cli.errors import CliError, explained
from cli.options import (
    NAMESPACE,
    TLS,
    TRUST_DOMAIN,
    Admin,
    Certificate,
    Context,
    Key,
    Kubeconfig,
    Listen,
    LogFormat,
    LogLevel,
    Namespace,
    TrustAnchors,
    TrustDomain,
)
from cluster.client import Cluster, Reviewed
from cluster.errors import ClusterError
from cluster.kubeconfig import RefusedKubeconfig, local
from process.admin import AdminServer, Readiness
from process.run import Stopping, run

log = structlog.get_logger()

ACCOUNT = "jackstay-identity"


class ClusterReviewer:
    """Asks the cluster's API server whose a token is."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def review(self, token: str, audience: str) -> tuple[str, str]:
        """Namespace and name of the service account. Raises TokenRefused or ReviewFailed."""
        try:
            return account_of(await self._cluster.review_token(token, (audience,)), audience)
        except ClusterError as error:
            raise ReviewFailed(str(error)) from error


def account_of(reviewed: Reviewed, audience: str) -> tuple[str, str]:
    """The service account of a token that the cluster has looked at. Raises TokenRefused."""
    if reviewed.error or not reviewed.authenticated:
        raise TokenRefused(
            "the cluster does not accept the token; it may have expired, or be another cluster's"
        )
    # A server that knows no audiences says nothing of them, and then the token may be for anybody.
    if audience not in reviewed.audiences:
        raise TokenRefused(f"the token is not made for audience {audience}")
    match reviewed.username.split(":"):
        case ["system", "serviceaccount", namespace, account] if namespace and account:
            return namespace, account
    raise TokenRefused("the token is not that of a service account")


def command(
    *,
    issuer_certificate: Annotated[
        Path,
        typer.Option(
            metavar="FILE", rich_help_panel=TLS, help="The certificate of the cluster's issuer, PEM."
        ),
    ],
    issuer_key: Annotated[
        Path, typer.Option(metavar="FILE", rich_help_panel=TLS, help="The issuer's private key, PEM.")
    ],
    certificate: Certificate,
    key: Key,
    trust_anchors: TrustAnchors,
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

    They POST identity, token and certificate request to /v1/certify, over TLS.

    Example:  jackstay identity --trust-anchors root.crt \
    --issuer-certificate issuer.crt --issuer-key issuer.key \
    --certificate identity.crt --key identity.key
    """
    with explained(InvalidCredentials, InvalidTrustBundle):
        own, bundle = load_fit(certificate, key, trust_anchors, at=datetime.now(UTC))
    settings = Settings(namespace, trust_domain)
    issuer = _issuer(issuer_certificate, issuer_key, bundle, settings)
    with explained(RefusedKubeconfig, OSError):
        access = local(kubeconfig, context)

    async def main(stopping: Stopping) -> int:
        registry = CollectorRegistry()
        trust = TrustMetrics(registry)
        trust.uses(own, bundle)
        trust.issues(issuer, bundle)
        readiness = Readiness("listening")
        async with contextlib.AsyncExitStack() as owned:
            cluster = await owned.enter_async_context(Cluster(access))
            service = IdentityService(issuer, bundle, ClusterReviewer(cluster), settings, registry)
            shown = None
            if admin is not None:
                shown = await owned.enter_async_context(AdminServer(admin, readiness, registry))
            bound = await owned.enter_async_context(served(service.application(), own, listen))
            readiness.reported("listening")
            log.info(
                "identity.ready",
                listen=str(bound),
                admin=str(shown.address) if shown else None,
                issuer_ends=f"{issuer.certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
                trust_domain=trust_domain,
            )
            await stopping.wait()
            readiness.draining()
            log.info("identity.stopping")
        return 0

    with explained(ClusterError, OSError):
        code = run(main, log_format=log_format, log_level=log_level)
    raise typer.Exit(code)


def _issuer(certificate: Path, key: Path, bundle: TrustBundle, settings: Settings) -> Authority:
    """The issuer, tried: peers with *bundle* would take a leaf of this cluster that it signs."""
    now = datetime.now(UTC)
    try:
        issuer = load_authority(read_chain(pem.read(certificate)), read_key(pem.read(key)))
        tried = Identity(ACCOUNT, "default", settings.control_namespace, settings.trust_domain)
        chain, _ = make_leaf(tried, issuer, now=now, lifetime=timedelta(minutes=1))
        check_taken(chain, bundle, now)
    except pem.Unreadable as error:
        raise CliError(
            str(error),
            hint="An issuer is made by: jackstay certs issuer CRT KEY --ca root.crt --ca-key root.key",
        ) from error
    except (InvalidCredentials, InvalidIdentity, CannotIssue) as error:
        raise CliError(f"{certificate} with {key}: {error}") from error
    return issuer
