"""Values that change while the process runs: swapped whole, asked for anew each time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, Literal, TypeVar

import structlog

from certs.credentials import InvalidCredentials
from certs.generation import Generation, load
from certs.trust_bundle import InvalidTrustBundle
from gateway.files import InvalidFile
from gateway.frames import ALPN
from gateway.metrics import DataPathMetrics
from process.files import changes

log = structlog.get_logger()

T = TypeVar("T")

_WARN_EVERY = 600.0


class Current(Generic[T]):
    """The value that holds now. Call it to get it."""

    def __init__(self, value: T) -> None:
        self._value = value

    def __call__(self) -> T:
        return self._value

    def swap(self, value: T) -> None:
        self._value = value


class CertificateFiles:
    """Where our certificate, its key and the trust anchors are, and what they hold now."""

    def __init__(self, certificate: Path, key: Path, trust_anchors: Path) -> None:
        """Raises InvalidCredentials or InvalidTrustBundle, naming the file."""
        self._paths = (certificate, key, trust_anchors)
        self.current = Current(self._load(1))

    def _load(self, number: int) -> Generation:
        return load(*self._paths, number=number, alpn_server=(ALPN,), alpn_client=(ALPN,))

    async def follow(self, metrics: DataPathMetrics) -> None:
        """Take over what the files become; what is broken is not taken. Until cancelled."""
        self._announce(metrics)
        async for _ in changes(*self._paths):
            try:
                self.current.swap(self._load(self.current().number + 1))
            except (InvalidCredentials, InvalidTrustBundle) as error:
                metrics.reloaded("certificate", taken=False)
                log.error("certificate.kept", error=str(error))  # noqa: TRY400  # the sentence says it all
            else:
                metrics.reloaded("certificate", taken=True)
                self._announce(metrics)

    async def warn(self) -> None:
        """Say, while there is time, that our certificate is about to end. Until cancelled."""
        while True:
            credentials = self.current().credentials
            if credentials.ends_soon(datetime.now(UTC)):
                log.warning(
                    "certificate.ends_soon",
                    identity=credentials.identity,
                    expires=credentials.not_after.isoformat(),
                    hint="issue a new leaf; new files are taken over without a restart",
                )
            await asyncio.sleep(_WARN_EVERY)

    def _announce(self, metrics: DataPathMetrics) -> None:
        generation = self.current()
        expires: datetime = generation.credentials.not_after
        metrics.certificate_expires.set(expires.timestamp())
        log.info(
            "certificate.loaded",
            identity=generation.credentials.identity,
            expires=expires.isoformat(),
            generation=generation.number,
            trust_anchors=generation.bundle.digest[:16],
        )


async def follow_file(
    path: Path,
    read: Callable[[str], T],
    taken: Callable[[T], Awaitable[None]],
    what: Literal["routes", "targets"],
    metrics: DataPathMetrics,
) -> None:
    """Hand each new content of *path* to *taken*; what is broken is not taken. Until cancelled."""
    async for _ in changes(path):
        try:
            value = read_file(path, read)
        except InvalidFile as error:
            metrics.reloaded(what, taken=False)
            log.error("file.kept", what=what, file=str(path), error=str(error))  # noqa: TRY400
        else:
            await taken(value)
            metrics.reloaded(what, taken=True)
            log.info("file.loaded", what=what, file=str(path))


def read_file(path: Path, read: Callable[[str], T]) -> T:
    """What *path* says. Raises InvalidFile, also for one that cannot be read."""
    try:
        return read(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFile(f"{path} cannot be read: {error}") from error
