"""
The issuer that is in use: taken over when a better one comes, kept when what comes is broken.

    offer ── can be used ──> taken, the one before forgotten
      └───── cannot ──────> kept what was; tried again when the bundle or the time is another

    the bundle or the time has changed ── peers would still take its leaves ──> goes on
                                        └─ they would not ──> nothing is issued until one can be used

All of it happens at once: reading, verifying and exchanging are a few milliseconds without an await.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NoReturn

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from certs.authority import CannotIssue
from certs.issuer import Issuer, Settings, read_issuer
from certs.notices import ISSUER_FAILED, ISSUER_SKIPPED, ISSUER_UPDATED, Notice, Notices
from certs.trust_bundle import TrustBundle

log = structlog.get_logger()

LOOK_EVERY = 10.0
"""Seconds. What was refused may become right by itself, and what is in use may end."""


@dataclass(frozen=True, slots=True)
class Material:
    """A certificate with what is above it, and its key, as somebody gave them."""

    chain: bytes = field(repr=False)
    key: bytes = field(repr=False)
    source: str
    """Where it is from, for sentences."""

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(hashlib.sha256(self.chain).digest() + self.key).digest()


class CurrentIssuer:
    """Holds an issuer, or why there is none; `changed` is called when that or the bundle is another."""

    def __init__(
        self,
        bundle: TrustBundle,
        settings: Settings,
        notices: Notices,
        registry: CollectorRegistry,
        *,
        changed: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._bundle = bundle
        self._settings = settings
        self._notices = notices
        self._changed = changed
        self._now = now
        self._held: tuple[bytes, Issuer] | None = None
        """The last that was taken, with the digest of what it was read from."""

        self._trouble = "no issuer has been read yet"
        """Why nothing can be issued; "" while something can."""

        self._refused: Material | None = None
        self._told = ""
        self._reloads = Counter(
            "jackstay_identity_issuer_reloads",
            "Issuers that were offered, taken or refused.",
            ["result"],
            registry=registry,
        )
        ends = Gauge(
            "issuer_cert_ttl_seconds",
            "Seconds until the issuer, or what is above it, ends; 0 if there is none.",
            registry=registry,
        )
        ends.set_function(self._ttl)

    @property
    def trouble(self) -> str:
        """Why nothing can be issued now, as a sentence; "" if something can."""
        return self._trouble

    @property
    def bundle(self) -> TrustBundle:
        """What peers hold."""
        return self._bundle

    def usable(self) -> Issuer:
        """The issuer to sign with now. Raises CannotIssue."""
        if self._held is None or self._trouble:
            raise CannotIssue(self._trouble)
        return self._held[1]

    def offer(self, material: Material) -> None:
        """Take *material* over if it can be used, and keep what we have if not."""
        if self._held is not None and material.digest == self._held[0]:
            self._refused, self._told = None, ""  # what was offered in between has been taken back
            return
        try:
            authority = read_issuer(material.chain, material.key)
            issuer = Issuer.tried(authority, self._bundle, self._settings, self._now())
        except CannotIssue as error:
            self._refused = material
            self._skip(f"{material.source}: {error}")
        else:
            self._take(material, issuer)

    def missing(self, why: str) -> None:
        """There is nothing to take over, as *why* says; what we have goes on."""
        self._refused = None
        self._skip(why)

    def trust(self, bundle: TrustBundle) -> None:
        """Peers hold *bundle* from now on."""
        another, before = bundle.digest != self._bundle.digest, self._trouble
        self._bundle = bundle
        self.look()
        if another and self._trouble == before:  # else that was told
            self._changed()

    def look(self) -> None:
        """See whether what is in use still can be, and what was refused now can."""
        if self._held is not None:
            self._try_again(*self._held)
        if self._refused is not None:
            self.offer(self._refused)

    async def look_now_and_again(self) -> NoReturn:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.look()

    def _take(self, material: Material, issuer: Issuer) -> None:
        first = self._held is None and not self._told
        self._held, self._trouble = (material.digest, issuer), ""
        self._refused, self._told = None, ""
        self._reloads.labels("taken").inc()
        ends = f"{issuer.not_after:%Y-%m-%dT%H:%M:%SZ}"
        log.info("issuer.loaded", source=material.source, ends=ends, trust_anchors=self._bundle.digest[:16])
        if not first:
            self._tell(
                ISSUER_UPDATED,
                f"Updated identity issuer from {material.source}; it ends {ends}",
                warning=False,
            )
        self._changed()

    def _skip(self, why: str) -> None:
        """Say once why what was offered is not used."""
        if self._held is None:
            self._trouble = why
        if why == self._told:
            return
        self._told = why
        self._reloads.labels("refused").inc()
        hint = "the issuer in use stays" if self._held is not None else "nothing is issued until there is one"
        log.error("issuer.refused", error=why, hint=hint)
        self._tell(ISSUER_SKIPPED, f"Skipping issuer update: {why}")

    def _try_again(self, digest: bytes, held: Issuer) -> None:
        before = self._trouble
        try:
            issuer = Issuer.tried(held.authority, self._bundle, self._settings, self._now())
        except CannotIssue as error:
            self._trouble = f"the issuer in use can be used no more: {error}"
            if self._trouble != before:
                hint = "nothing is issued until there is another"
                log.error("issuer.unusable", error=str(error), hint=hint)  # noqa: TRY400  # the sentence says it all
                self._tell(ISSUER_FAILED, f"Failed to validate the identity issuer: {error}")
                self._changed()
            return
        self._held, self._trouble = (digest, issuer), ""
        if before:
            log.info("issuer.usable", hint="it was not, and is again")
            self._changed()

    def _tell(self, reason: str, message: str, *, warning: bool = True) -> None:
        self._notices.tell(Notice(None, reason, message, warning=warning))

    def _ttl(self) -> float:
        if self._held is None:
            return 0.0
        return max(0.0, (self._held[1].not_after - self._now()).total_seconds())
