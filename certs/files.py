"""
Our certificate, its key and the trust anchors as files, which somebody replaces now and then.

Revocation lists may stand beside them. What is broken of the three files changes nothing; while the file of
revocation lists is broken nobody is let in, and what it says holds also while the others are broken.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import structlog

from certs.credentials import Credentials, InvalidCredentials
from certs.generation import Generation, load
from certs.revocation_file import RevocationFile, tell_of_ourselves
from certs.source import Told
from certs.trust_bundle import InvalidTrustBundle
from process.files import changes

log = structlog.get_logger()

_WARN_EVERY = 600.0
_AGAIN_EVERY = 10.0


class CertificateFiles:
    """Where the three files are, and what they held when they were last all right."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        trust_anchors: Path,
        *,
        alpn: Sequence[str],
        crl: Path | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """
        Speaks *alpn*. Raises InvalidCredentials, InvalidTrustBundle or InvalidRevocations (of *crl*), naming
        the file; also for what has expired, is not valid yet, or is not vouched for by *trust_anchors*.
        """
        self._now = now
        self._paths = (certificate, key, trust_anchors)
        self._alpn = tuple(alpn)
        self._crl = RevocationFile(crl, now=now) if crl is not None else None
        self._reading = asyncio.Lock()
        self._generation = self._load(1)
        self._refusal = ""
        self._replaced = asyncio.Event()
        self._asked = asyncio.Event()

    @property
    def identity(self) -> str:
        """Who we are by the certificate that we have now."""
        return self._generation.credentials.identity

    def generation(self) -> Generation:
        """What a handshake that begins now uses."""
        return self._generation

    async def first(self) -> None:
        """There is one from the start."""

    def renew(self) -> None:
        """Read the files now, also if they look the same."""
        self._asked.set()

    async def follow(self, told: Told = lambda _: None) -> None:
        """
        Take over what the files become; what is broken is not taken. Until cancelled.

        *told* gets the generation at the start and each new one, and None for one that was not taken.
        """
        if self._crl is not None:
            self._crl.tell()
        self._announce(told)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._take_changes(told))
            both.create_task(self._try_again(told))

    async def warn(self) -> NoReturn:
        """Say that our certificate is about to end, while there is time, and when it has. Until cancelled."""
        while True:
            self._replaced.clear()
            credentials, now = self._generation.credentials, self._now()
            _say(credentials, now)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(until_next_word(credentials, now)):
                    await self._replaced.wait()

    async def _take_changes(self, told: Told) -> None:
        paths = self._paths if self._crl is None else (*self._paths, self._crl.path)
        async for _ in changes(*paths):
            self._refusal = ""  # a change is news, also if the same is wrong again
            await self._reload(told)

    async def _try_again(self, told: Told) -> NoReturn:
        """What was refused may become right without a change: its time comes, or we may read it now."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_EVERY):
                    await self._asked.wait()
            if self._asked.is_set():
                self._asked.clear()
                self._refusal = ""
            elif not self._refusal and not await self._mended():
                continue
            await self._reload(told)

    async def _mended(self) -> bool:
        """Whether the revocation lists can be used again, without the file looking changed."""
        if self._crl is None or not self._crl.revocations.wrong:
            return False
        await self._crl.read()
        return not self._crl.revocations.wrong

    async def _reload(self, told: Told) -> None:
        async with self._reading:
            if self._crl is not None:
                await self._crl.read()
            self._take(told)

    def _take(self, told: Told) -> None:
        """Take over what the files hold, or keep what we have and say why, once for each reason."""
        try:
            self._generation = self._load(self._generation.number + 1)
        except (InvalidCredentials, InvalidTrustBundle) as error:
            if str(error) != self._refusal:
                self._refusal = str(error)
                expires = self._generation.credentials.not_after.isoformat()
                hint = "what was read before stays in use, the trust anchors too"
                log.error("certificate.kept", error=self._refusal, expires=expires, hint=hint)  # noqa: TRY400  # the sentence says it all
                told(None)
            if self._crl is not None and self._generation.revocations != self._crl.revocations:
                self._generation = self._generation.revoking(self._crl.revocations)
                told(self._generation)
        else:
            self._refusal = ""
            self._replaced.set()
            self._announce(told)

    def _load(self, number: int) -> Generation:
        return load(
            *self._paths,
            number=number,
            at=self._now(),
            alpn_server=self._alpn,
            alpn_client=self._alpn,
            revocations=self._crl.revocations if self._crl is not None else None,
        )

    def _announce(self, told: Told) -> None:
        generation = self._generation
        log.info(
            "certificate.loaded",
            identity=generation.credentials.identity,
            expires=generation.credentials.not_after.isoformat(),
            generation=generation.number,
            trust_anchors=generation.bundle.digest[:16],
        )
        if generation.revocations is not None:
            tell_of_ourselves(generation, self._now())
        told(generation)


def until_next_word(credentials: Credentials, at: datetime) -> float:
    """Seconds until there is something to say of *credentials* again; their end is told when it comes."""
    left = (credentials.not_after - at).total_seconds()
    return _WARN_EVERY if left < 0 else min(_WARN_EVERY, left + 1)


def _say(credentials: Credentials, at: datetime) -> None:
    """A line in the log if *credentials* have ended, or soon will."""
    said = {"identity": credentials.identity, "expires": credentials.not_after.isoformat()}
    if credentials.not_after < at:
        hint = "peers refuse us; issue a new leaf, new files are taken over without a restart"
        log.error("certificate.ended", **said, hint=hint)
    elif credentials.ends_soon(at):
        hint = "issue a new leaf; new files are taken over without a restart"
        log.warning("certificate.ends_soon", **said, hint=hint)
