"""The certificate of a process, from what its options say."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import structlog

from certs.account_token import InvalidToken
from certs.credentials import InvalidCredentials
from certs.files import CertificateFiles
from certs.identity import InvalidIdentity
from certs.renewal import RenewedCertificate
from certs.revocation import InvalidRevocations
from certs.source import CertificateSource, Told
from certs.trust_bundle import InvalidTrustBundle
from cli.errors import CliError, explained
from process.address import Address
from process.admin import Readiness
from process.run import Stopping

log = structlog.get_logger()

CERTIFICATE = "certificate"
"""What is missing of a process that has none yet."""


def certificate_source(
    certificate: Path | None,
    key: Path | None,
    trust_anchors: Path,
    *,
    identity_service: Address | None,
    identity_token: Path,
    control_namespace: str,
    trust_domain: str,
    alpn: Sequence[str],
    crl: Path | None = None,
) -> CertificateSource:
    """
    The source that the options name, speaking *alpn*: files, or an identity service, which is not asked yet.

    Raises CliError if they name none or both, and for files that cannot be used.
    """
    with explained(InvalidCredentials, InvalidTrustBundle, InvalidRevocations, InvalidToken, InvalidIdentity):
        if identity_service is not None and certificate is None and key is None:
            return RenewedCertificate(
                identity_service,
                identity_token,
                trust_anchors,
                control_namespace=control_namespace,
                trust_domain=trust_domain,
                alpn=alpn,
                crl=crl,
            )
        if certificate is not None and key is not None and identity_service is None:
            return CertificateFiles(certificate, key, trust_anchors, alpn=alpn, crl=crl)
    raise CliError(_which(certificate, key, identity_service))


def _which(certificate: Path | None, key: Path | None, service: Address | None) -> str:
    ways = "take either --certificate FILE and --key FILE, or --identity-service HOST:PORT"
    if service is not None:
        return f"it is not clear where our certificate comes from, files or an identity service: {ways}"
    if certificate is None and key is None:
        return f"it is not said where our certificate comes from: {ways}"
    given, missing = ("--certificate", "--key") if key is None else ("--key", "--certificate")
    return f"{given} is of no use without {missing}: {ways}"


async def with_certificate(
    certificates: CertificateSource,
    told: Told,
    readiness: Readiness,
    stopping: Stopping,
    work: Callable[[], Awaitable[None]],
) -> None:
    """Do *work* once there is a certificate, which is followed meanwhile; unless we are to end before."""
    async with asyncio.TaskGroup() as tasks:
        following = [tasks.create_task(certificates.follow(told)), tasks.create_task(certificates.warn())]
        if await _first_certificate(certificates, readiness, stopping):
            await work()
        for task in following:
            task.cancel()


async def _first_certificate(
    certificates: CertificateSource, readiness: Readiness, stopping: Stopping
) -> bool:
    """Wait for a certificate, which *readiness* then no longer misses; False if we are to end before."""
    waits = [asyncio.ensure_future(certificates.first()), asyncio.ensure_future(stopping.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    if stopping.is_set():
        readiness.draining()
        log.info("certificate.not_awaited", identity=certificates.identity)
        return False
    readiness.reported(CERTIFICATE)
    return True
