"""The issuer and the trust anchors as files, which somebody replaces now and then."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from certs import pem
from certs.current_issuer import CurrentIssuer, Material
from certs.generation import load_bundle
from certs.trust_bundle import InvalidTrustBundle
from process.files import changes

log = structlog.get_logger()


async def follow_files(certificate: Path, key: Path, issuer: CurrentIssuer) -> None:
    """Offer to *issuer* what the two files hold, now and whenever they are others. Until cancelled."""
    async for _ in changes(certificate, key, at_once=True):
        try:
            material = Material(pem.read(certificate), pem.read(key), f"{certificate} with {key}")
        except pem.Unreadable as error:
            issuer.missing(str(error))
        else:
            issuer.offer(material)


async def follow_bundle(
    trust_anchors: Path,
    issuer: CurrentIssuer,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """
    Hold *issuer* to what *trust_anchors* becomes; what cannot be read changes nothing. Until cancelled.

    The file is read at once too: it may have changed since the anchors were read that *issuer* has.
    """
    async for _ in changes(trust_anchors, at_once=True):
        try:
            bundle = load_bundle(trust_anchors, at=now())
        except InvalidTrustBundle as error:
            log.error("trust_anchors.kept", error=str(error), hint="those that were read before stay in use")  # noqa: TRY400  # the sentence says it all
        else:
            issuer.trust(bundle)
