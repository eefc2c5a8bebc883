"""The file of revocation lists, which somebody replaces now and then."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.serialization import Encoding

from certs import pem
from certs.fitness import ROLES
from certs.generation import Generation
from certs.revocation import MOST_BYTES, InvalidRevocations, Revocations
from certs.verification import Revoked, Untrusted, verify

log = structlog.get_logger()


def load_revocations(path: Path) -> Revocations:
    """The lists of a file. InvalidRevocations names it."""
    try:
        return Revocations.read(pem.read(path, most=MOST_BYTES))
    except pem.Unreadable as error:
        raise InvalidRevocations(str(error)) from error
    except InvalidRevocations as error:
        raise InvalidRevocations(f"{path}: {error}") from error


class RevocationFile:
    """Where the file is, and what it says now: of one that cannot be used, that nobody is let in."""

    def __init__(self, path: Path, *, now: Callable[[], datetime]) -> None:
        """Raises InvalidRevocations, naming the file."""
        self.path = path
        self._now = now
        self.revocations = load_revocations(path)
        self._reading = asyncio.Lock()

    async def read(self) -> None:
        """Take over what the file says now. It is read in a thread, since it may be long."""
        async with self._reading:
            before = self.revocations
            try:
                self.revocations = await asyncio.to_thread(load_revocations, self.path)
            except InvalidRevocations as error:
                self.revocations = Revocations.unusable(str(error))
            if self.revocations != before:
                self.tell()

    def tell(self) -> None:
        """Say in the log what there is."""
        now = self.revocations
        if now.wrong:
            hint = (
                "nobody is let in until there are revocation lists again; the file is tried again and again"
            )
            log.error("crl.unusable", error=now.wrong, hint=hint)
            return
        end = now.next_update
        told = log.info if end is not None and end >= self._now() else log.error
        told("crl.loaded", lists=len(now.lists), next_update=end.isoformat() if end is not None else None)


def tell_of_ourselves(generation: Generation, at: datetime) -> None:
    """Say in the log if peers with the same revocation lists refuse the certificate that we have."""
    if generation.revocations is None or generation.revocations.wrong:
        return
    refusals: list[Untrusted] = []
    sent = [link.public_bytes(Encoding.DER) for link in generation.credentials.chain]
    for role in ROLES:
        try:
            verify(sent, generation.bundle, role=role, at=at, revocations=generation.revocations)
        except Untrusted as error:
            refusals.append(error)
    if len(refusals) == len(ROLES):
        event = "certificate.revoked" if isinstance(refusals[0], Revoked) else "certificate.unlisted"
        hint = "peers with the same revocation lists refuse us"
        log.error(event, identity=generation.credentials.identity, error=str(refusals[0]), hint=hint)
