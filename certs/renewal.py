"""
A certificate that the identity service issues to us, and that we renew by ourselves.

The trust anchors stay a file, which is followed: the operator's newest word holds. A changed bundle makes a
new generation at once where it vouches for the certificate that we have, and it is what a rotation looks
like, so that a new certificate is asked for soon. What is not a certificate of ours changes nothing.

Each renewal is for a new key: one that has leaked without being noticed is worth nothing after a day.
"""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import structlog

from certs import account_token, fitness, schedule
from certs.account_token import AccountToken, InvalidToken
from certs.credentials import Credentials, InvalidCredentials
from certs.files import until_next_word
from certs.generation import Generation, load_bundle
from certs.identity import Identity
from certs.issuance import IdentityServer, NotIssued, issued
from certs.issuer import ACCOUNT
from certs.revocation import Revocations
from certs.revocation_file import RevocationFile, tell_of_ourselves
from certs.service import AUDIENCE
from certs.source import Told
from certs.trust_bundle import InvalidTrustBundle
from process.address import Address
from process.files import changes

log = structlog.get_logger()

_AGAIN_EVERY = 10.0
_LOOK_EVERY = 60.0
"""Seconds after which the clock on the wall is asked too: the other one stands still with the machine."""


@dataclass(frozen=True, slots=True, order=True)
class _Due:
    """A moment on two clocks; it has come when one of them says so."""

    monotonic: float
    wall: datetime

    def left(self, now: datetime) -> float:
        """Seconds until then: what runs on while this machine sleeps, or what nobody sets."""
        return min(self.monotonic - time.monotonic(), (self.wall - now).total_seconds())


_AT_ONCE = _Due(-math.inf, datetime.min.replace(tzinfo=UTC))
_NEVER = _Due(math.inf, datetime.max.replace(tzinfo=UTC))


class RenewedCertificate:
    """The certificate of the service account whose token we have."""

    def __init__(
        self,
        service: Address,
        token: Path,
        trust_anchors: Path,
        *,
        control_namespace: str,
        trust_domain: str,
        alpn: Sequence[str],
        crl: Path | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: Callable[[], float] = random.random,
        when_to_renew: Callable[[datetime, datetime, float], float] = schedule.when_to_renew,
    ) -> None:
        """
        Speaks *alpn*. Nobody is asked before `follow`.

        Raises InvalidToken, InvalidTrustBundle or InvalidRevocations (of *crl*), naming the file, and
        InvalidIdentity.
        """
        self._now = now
        self._chance = chance
        self._when_to_renew = when_to_renew
        self._token = token
        self._trust_anchors = trust_anchors
        self._alpn = tuple(alpn)
        own = account_token.read(token, audience=AUDIENCE)
        self._identity = Identity(own.account, own.namespace, control_namespace, trust_domain)
        theirs = Identity(ACCOUNT, control_namespace, control_namespace, trust_domain)
        self._server = IdentityServer(service, theirs.dns_name)
        self._bundle = load_bundle(trust_anchors, at=now())
        self._crl = RevocationFile(crl, now=now) if crl is not None else None
        self._generation: Generation | None = None
        self._there = asyncio.Event()
        self._replaced = asyncio.Event()
        self._failures = 0
        self._refusal = ""
        self._bundle_refusal = ""
        self._due = _AT_ONCE
        self._sooner = asyncio.Event()

    @property
    def identity(self) -> str:
        """Who our token says that we are."""
        return self._identity.dns_name

    def generation(self) -> Generation:
        """What a handshake that begins now uses; not before `first`."""
        assert self._generation is not None, "there is no certificate yet"
        return self._generation

    async def first(self) -> None:
        """Return once a certificate has been issued to us."""
        await self._there.wait()

    def renew(self) -> None:
        """Ask for a new certificate now."""
        self._renew_in(0.0)

    async def follow(self, told: Told = lambda _: None) -> None:
        """Get a certificate, renew it, and take over what the trust anchors become. Until cancelled."""
        if self._crl is not None:
            self._crl.tell()
        async with asyncio.TaskGroup() as all_:
            all_.create_task(self._keep_renewed(told))
            all_.create_task(self._take_changes(told))
            all_.create_task(self._try_bundle_again(told))

    async def warn(self) -> NoReturn:
        """Say that our certificate is about to end if renewing it fails, and when it has. Until cancelled."""
        await self.first()
        while True:
            self._replaced.clear()
            credentials, now = self.generation().credentials, self._now()
            self._say(credentials, now)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(until_next_word(credentials, now)):
                    await self._replaced.wait()

    # The certificate.

    async def _keep_renewed(self, told: Told) -> NoReturn:
        while True:
            await self._until_due()
            self._due = _NEVER
            self._renew_in(await self._renewed(told))

    async def _renewed(self, told: Told) -> float:
        """Ask once; how many seconds the next time is away."""
        bundle = self._bundle
        try:
            credentials = await issued(
                self._server,
                self._identity,
                self._own_token(),
                bundle,
                now=self._now,
                revocations=self._revocations,
            )
            if bundle is not self._bundle:  # the anchors have changed meanwhile
                fitness.check(credentials, self._bundle, at=self._now())
        except (InvalidToken, NotIssued, InvalidCredentials) as error:
            return self._failed(error, told)
        self._failures = 0
        self._refusal = ""
        self._take(credentials, told)
        return self._when_to_renew(credentials.not_after, self._now(), self._chance())

    def _own_token(self) -> AccountToken:
        """The token as it is now: the kubelet writes another one each day. Raises InvalidToken."""
        token = account_token.read(self._token, audience=AUDIENCE)
        if (token.namespace, token.account) != (self._identity.namespace, self._identity.service_account):
            raise InvalidToken(
                f"{self._token}: the token is now that of {token.namespace}/{token.account}, "
                f"and we are {self.identity}; start this process anew to be somebody else"
            )
        return token

    def _failed(self, error: Exception, told: Told) -> float:
        self._failures += 1
        now = self._now()
        has = self._generation
        ends = has.credentials.not_after if has is not None else None
        asked_for = error.again_in if isinstance(error, NotIssued) else None
        pause = schedule.when_to_try_again(self._failures, ends, now, self._chance(), told=asked_for)
        if str(error) != self._refusal:
            self._refusal = str(error)
            if ends is None:
                hint = "nothing is served until there is a certificate; it is tried again and again"
                log.warning("certificate.awaited", identity=self.identity, error=self._refusal, hint=hint)
            else:
                hint = "the certificate that we have stays in use; it is tried again and again"
                log.error(  # the sentence says it all
                    "certificate.not_renewed", error=self._refusal, expires=ends.isoformat(), hint=hint
                )
        told(None)
        return pause

    def _take(self, credentials: Credentials, told: Told) -> None:
        """Show *credentials*, and trust the bundle that vouches for them, from now on."""
        before = self._generation
        number = before.number + 1 if before is not None else 1
        self._generation = generation = Generation.build(
            number,
            credentials,
            self._bundle,
            alpn_server=self._alpn,
            alpn_client=self._alpn,
            revocations=self._revocations,
        )
        self._there.set()
        self._replaced.set()
        log.info(
            "certificate.loaded",
            identity=credentials.identity,
            expires=credentials.not_after.isoformat(),
            generation=number,
            trust_anchors=self._bundle.digest[:16],
        )
        tell_of_ourselves(generation, self._now())
        told(generation)

    def _say(self, credentials: Credentials, at: datetime) -> None:
        """A line in the log if *credentials* have ended, or will and no others are to be had."""
        said = {"identity": credentials.identity, "expires": credentials.not_after.isoformat()}
        hint = f"certificate.not_renewed says why {self._server} gives no other one"
        if credentials.not_after < at:
            log.error("certificate.ended", **said, hint=f"peers refuse us; {hint}")
        elif self._failures and credentials.ends_soon(at):
            log.warning("certificate.ends_soon", **said, hint=hint)

    # The trust anchors, and the revocation lists beside them.

    async def _take_changes(self, told: Told) -> None:
        paths = [self._trust_anchors] if self._crl is None else [self._trust_anchors, self._crl.path]
        async for _ in changes(*paths):
            self._bundle_refusal = ""  # a change is news, also if the same is wrong again
            await self._take_revocations(told)
            self._take_bundle(told)

    async def _try_bundle_again(self, told: Told) -> NoReturn:
        """What was refused may become right without a change."""
        while True:
            await asyncio.sleep(_AGAIN_EVERY)
            if self._revocations is not None and self._revocations.wrong:
                await self._take_revocations(told)
            if self._bundle_refusal:
                self._take_bundle(told)

    @property
    def _revocations(self) -> Revocations | None:
        return self._crl.revocations if self._crl is not None else None

    async def _take_revocations(self, told: Told) -> None:
        """Let in by what the file says now; if it cannot be used, nobody."""
        if self._crl is None:
            return
        await self._crl.read()
        if self._generation is not None and self._generation.revocations != self._crl.revocations:
            self._generation = self._generation.revoking(self._crl.revocations)
            tell_of_ourselves(self._generation, self._now())
            told(self._generation)

    def _take_bundle(self, told: Told) -> None:
        """Trust what the file holds now, or keep what was and say why, once for each reason."""
        try:
            bundle = load_bundle(self._trust_anchors, at=self._now())
        except InvalidTrustBundle as error:
            if str(error) != self._bundle_refusal:
                self._bundle_refusal = str(error)
                hint = "the trust anchors that were read before stay in use"
                log.error("certificate.kept", error=self._bundle_refusal, hint=hint)  # noqa: TRY400
                told(None)
            return
        self._bundle_refusal = ""
        if bundle.digest == self._bundle.digest:
            return
        self._bundle = bundle
        self._renew_in(schedule.soon(self._chance()))
        if self._generation is None:
            return
        try:
            fitness.check(self._generation.credentials, bundle, at=self._now())
        except InvalidCredentials as error:
            hint = "certificate and trust anchors stay in use until there is a certificate under the new ones"
            log.error("certificate.kept", error=str(error), hint=hint)  # noqa: TRY400
            told(None)
        else:
            self._take(self._generation.credentials, told)

    # The time.

    def _renew_in(self, seconds: float) -> None:
        """Ask in *seconds*, unless it is to be sooner already."""
        later = _Due(time.monotonic() + seconds, self._now() + timedelta(seconds=seconds))
        self._due = min(self._due, later)
        self._sooner.set()

    async def _until_due(self) -> None:
        """Until either clock says that it is time."""
        while (left := self._due.left(self._now())) > 0:
            self._sooner.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, _LOOK_EVERY)):
                    await self._sooner.wait()
