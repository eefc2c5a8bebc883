"""The identity service as a process: what it follows, what it serves, and how it ends."""

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from certs import own_certificate
from certs.authority import CannotIssue
from certs.credentials import Credentials
from certs.current_issuer import CurrentIssuer
from certs.files import CertificateFiles
from certs.issuer import ACCOUNT, Settings
from certs.issuer_files import follow_bundle, follow_files
from certs.rate_limit import Rate
from certs.review_queue import ReviewQueue
from certs.service import IdentityService
from certs.tls_server import TlsServer
from certs.trust_bundle import TrustBundle
from certs.trust_metrics import TrustMetrics
from cli.errors import CliError
from cli.identity_cluster import ClusterNotices, ClusterReviewer, follow_secret, own_uid
from cluster.access import Access
from cluster.client import Cluster
from cluster.event_recorder import EventMetrics, EventRecorder
from process.address import Address
from process.admin import AdminServer, Readiness
from process.run import Stopping

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class IssuerSource:
    """Where the issuer is: in a Secret, or in two files."""

    secret: str = ""
    files: tuple[Path, Path] | None = None

    @classmethod
    def of(cls, secret: str | None, certificate: Path | None, key: Path | None) -> "IssuerSource":
        """Raises CliError unless exactly one is named."""
        if secret and certificate is None and key is None:
            return cls(secret)
        if not secret and certificate is not None and key is not None:
            return cls(files=(certificate, key))
        raise CliError(
            "name the issuer by --issuer-secret, or by --issuer-certificate and --issuer-key",
            hint="An issuer is made by: jackstay certs issuer CRT KEY --ca root.crt --ca-key root.key",
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """A running identity service, as the command line says it."""

    settings: Settings
    rate: Rate
    bundle: TrustBundle
    trust_anchors: Path
    source: IssuerSource
    shown: CertificateFiles | None
    """What it shows; None: what it issues to itself."""

    access: Access
    listen: Address
    admin: Address | None


class IdentityReadiness(Readiness):
    """What keeps us from being ready, and why there is no issuer if that is it."""

    def __init__(self, issuer: CurrentIssuer, *names: str) -> None:
        super().__init__(*names)
        self._issuer = issuer

    @property
    def missing(self) -> tuple[str, ...]:
        trouble = self._issuer.trouble
        return (*super().missing, *([f"issuer: {trouble}"] if trouble else []))


async def serve(wanted: Wanted, stopping: Stopping) -> int:
    """Serve until *stopping* is set. Raises ClusterError or OSError for what cannot begin."""
    registry, bell = CollectorRegistry(), asyncio.Event()
    settings = wanted.settings
    async with contextlib.AsyncExitStack() as owned:
        cluster = await owned.enter_async_context(Cluster(wanted.access))
        recorder = EventRecorder(cluster, ACCOUNT, EventMetrics(registry))
        notices = ClusterNotices(
            recorder, settings.control_namespace, own_uid(wanted.access, settings.control_namespace)
        )
        trust = TrustMetrics(registry)
        own: Credentials | None = None

        def changed() -> None:
            bell.set()
            if own is not None:
                trust.uses(own, issuer.bundle)
            with contextlib.suppress(CannotIssue):  # then the one before stays told; /ready says why
                trust.issues(issuer.usable().authority, issuer.bundle)

        issuer = CurrentIssuer(wanted.bundle, settings, notices, registry, changed=changed)
        readiness = IdentityReadiness(issuer, "listening")
        reviews = ReviewQueue(ClusterReviewer(cluster), registry)
        service = IdentityService(issuer.usable, reviews, settings, notices, registry, rate=wanted.rate)
        shown = None
        if wanted.admin is not None:
            shown = await owned.enter_async_context(AdminServer(wanted.admin, readiness, registry))
        server = await owned.enter_async_context(TlsServer(service.application(), wanted.listen))

        def show(credentials: Credentials) -> None:
            nonlocal own
            first = not server.serving
            server.show(credentials)
            own = credentials
            trust.uses(credentials, issuer.bundle)
            if first:
                readiness.reported("listening")
                log.info(
                    "identity.ready",
                    listen=str(server.address),
                    admin=str(shown.address) if shown else None,
                    trust_domain=settings.trust_domain,
                )

        if wanted.shown is None and shown is not None:
            # Without an issuer there is nothing to show, and so no listening: /ready says why.
            log.info("identity.starting", listen=str(server.address), admin=str(shown.address))
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(recorder.run(), name="events"),
                tasks.create_task(issuer.look_now_and_again(), name="issuer"),
                tasks.create_task(follow_bundle(wanted.trust_anchors, issuer), name="trust anchors"),
                tasks.create_task(_follow_issuer(wanted, cluster, issuer), name="issuer's source"),
            ]
            if wanted.shown is None:
                running.append(tasks.create_task(own_certificate.follow_issuer(issuer, bell, show)))
            else:
                follow = wanted.shown.follow(lambda taken: show(taken.credentials) if taken else None)
                running += [tasks.create_task(follow), tasks.create_task(wanted.shown.warn())]
            await stopping.wait()
            readiness.draining()
            log.info("identity.stopping")
            for task in running:
                task.cancel()
    return 0


async def _follow_issuer(wanted: Wanted, cluster: Cluster, issuer: CurrentIssuer) -> None:
    if wanted.source.files is not None:
        await follow_files(*wanted.source.files, issuer)
    else:
        await follow_secret(cluster, wanted.settings.control_namespace, wanted.source.secret, issuer)
