"""Our certificate, its key and the trust anchors as files, which somebody replaces now and then."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import structlog

from certs.credentials import InvalidCredentials
from certs.generation import Generation, load
from certs.trust_bundle import InvalidTrustBundle
from process.files import changes

log = structlog.get_logger()

_WARN_EVERY = 600.0


class CertificateFiles:
    """Where the three files are, and what they held when they were last all right."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        trust_anchors: Path,
        *,
        alpn: Sequence[str],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """
        Speaks *alpn*. Raises InvalidCredentials or InvalidTrustBundle, naming the file; also for
        what has expired, is not valid yet, or is not vouched for by *trust_anchors*.
        """
        self._now = now
        self._paths = (certificate, key, trust_anchors)
        self._alpn = tuple(alpn)
        self._generation = self._load(1)

    def generation(self) -> Generation:
        """What a handshake that begins now uses."""
        return self._generation

    async def follow(self, told: Callable[[Generation | None], None] = lambda _: None) -> None:
        """
        Take over what the files become; what is broken is not taken. Until cancelled.

        *told* gets the generation at the start and each new one, and None for one that was not taken.
        """
        self._announce(told)
        async for _ in changes(*self._paths):
            try:
                self._generation = self._load(self._generation.number + 1)
            except (InvalidCredentials, InvalidTrustBundle) as error:
                log.error("certificate.kept", error=str(error))  # noqa: TRY400  # the sentence says it all
                told(None)
            else:
                self._announce(told)

    async def warn(self) -> NoReturn:
        """Say, while there is time, that our certificate is about to end. Until cancelled."""
        while True:
            credentials = self._generation.credentials
            if credentials.ends_soon(self._now()):
                log.warning(
                    "certificate.ends_soon",
                    identity=credentials.identity,
                    expires=credentials.not_after.isoformat(),
                    hint="issue a new leaf; new files are taken over without a restart",
                )
            await asyncio.sleep(_WARN_EVERY)

    def _load(self, number: int) -> Generation:
        return load(
            *self._paths, number=number, at=self._now(), alpn_server=self._alpn, alpn_client=self._alpn
        )

    def _announce(self, told: Callable[[Generation | None], None]) -> None:
        generation = self._generation
        log.info(
            "certificate.loaded",
            identity=generation.credentials.identity,
            expires=generation.credentials.not_after.isoformat(),
            generation=generation.number,
            trust_anchors=generation.bundle.digest[:16],
        )
        told(generation)
