"""
The identity service: a workload shows who it is and gets a certificate that says so.

    POST /v1/certify  {"identity": NAME, "token": TOKEN, "csr": PEM}
    200               {"chain": PEM, "notAfter": TIME}
    4xx, 5xx          {"error": REASON, "message": SENTENCE}

429 and most 503 say in Retry-After when to come again, in seconds.

The token is a service account's, made for AUDIENCE and no other, so that one stolen here
opens nothing else. Who it belongs to is asked of the cluster; the identity must be that
one's and the request must ask for exactly it. The checks that cost nothing come first.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from prometheus_client import CollectorRegistry, Counter, Histogram

from certs import signing_request
from certs.authority import CannotIssue, chain_pem
from certs.certify_request import MOST, Asked, read
from certs.identity import Identity, InvalidIdentity
from certs.issuer import Issuer, Settings
from certs.notices import ISSUED, REFUSED, Notice, Notices
from certs.rate_limit import Rate, RateLimit
from certs.refusals import (
    BadRequest,
    BadSigningRequest,
    NotTheirs,
    NotVouchedFor,
    Refused,
    TooOften,
    Unavailable,
)
from certs.review_queue import BUCKETS, Account, Busy, ReviewFailed, TokenRefused, TokenReviewer
from certs.signing_request import InvalidRequest

log = structlog.get_logger()

AUDIENCE = "identity.jackstay.io"
PATH = "/v1/certify"
DEFAULT_RATE = Rate(per_second=50.0, burst=2000.0)
"""1,000 pods of one account may start at once, and again soon after."""

READING = 10.0
"""Seconds for the body of a request."""

COME_AGAIN = 5
"""Seconds after which what is our fault may be over."""

MOST_SEEN = 20_000
"""Accounts of which we remember that their first certificate was told of."""


class IdentityService:
    """Issues leaves under what *issuer* gives; the cluster behind *reviewer* says who is who."""

    def __init__(
        self,
        issuer: Callable[[], Issuer],
        reviewer: TokenReviewer,
        settings: Settings,
        notices: Notices,
        registry: CollectorRegistry,
        *,
        rate: Rate = DEFAULT_RATE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*issuer* raises CannotIssue while there is none."""
        self._issuer = issuer
        self._reviewer = reviewer
        self._settings = settings
        self._notices = notices
        self._limit: RateLimit[Account] = RateLimit(rate)
        self._now = now
        self._clock = clock
        self._seen: OrderedDict[Account, None] = OrderedDict()
        self._answers = Counter(
            "jackstay_identity_requests",
            "Requests for certificates, by result.",
            ["result"],
            registry=registry,
        )
        self._took = Histogram(
            "jackstay_identity_issuance_seconds",
            "From a request that ended in a certificate to its answer, the token's review included.",
            registry=registry,
            buckets=BUCKETS,
        )

    def application(self) -> web.Application:
        """The HTTP side, to be served over TLS."""
        app = web.Application(client_max_size=MOST)
        app.router.add_post(PATH, self._certify)
        return app

    async def certify(self, asked: Asked) -> tuple[x509.Certificate, ...]:
        """The chain for the one who asks, leaf first. Raises Refused."""
        issuer = self._usable()  # Unavailable
        try:
            key = signing_request.read(asked.csr, asked.identity)
        except InvalidRequest as error:
            raise BadSigningRequest(str(error)) from error
        account = await self._account(asked.token)  # NotVouchedFor, Unavailable
        try:
            theirs = self._theirs(account, asked.identity)  # TooOften, NotTheirs
            issuer = self._usable()  # Unavailable; it may be another by now
            chain = issuer.sign(theirs, key, self._now())
        except CannotIssue as error:
            raise Unavailable(f"the issuer cannot be used: {error}", COME_AGAIN, account=account) from error
        except Refused as refusal:
            refusal.account = account
            raise
        self._tell_first(account, theirs, chain[0])
        return chain

    def _usable(self) -> Issuer:
        try:
            return self._issuer()
        except CannotIssue as error:
            raise Unavailable(f"the certificate issuer is not ready: {error}", COME_AGAIN) from error

    async def _account(self, token: str) -> Account:
        try:
            return await self._reviewer.review(token, AUDIENCE)
        except TokenRefused as error:
            raise NotVouchedFor(str(error)) from error
        except ReviewFailed as error:
            pause = 2 if isinstance(error, Busy) else COME_AGAIN
            raise Unavailable(f"the token could not be reviewed: {error}", pause) from error

    def _theirs(self, account: Account, claimed: Identity) -> Identity:
        """The identity of *account*, which has to be the *claimed* one. Raises TooOften or NotTheirs."""
        if wait := self._limit.wait(account, self._clock()):
            raise TooOften(f"service account {account} asks too often; come again in {wait} s", wait)
        try:
            theirs = self._settings.identity(account.name, account.namespace)
        except InvalidIdentity as error:
            raise NotTheirs(str(error)) from error
        if claimed != theirs:
            raise NotTheirs(f"the token is that of {theirs.dns_name}, not of {claimed.dns_name}")
        return theirs

    def _tell_first(self, account: Account, identity: Identity, leaf: x509.Certificate) -> None:
        """Tell of the first certificate of *account*; of each renewal would flood the cluster."""
        first = account not in self._seen
        self._seen[account] = None
        self._seen.move_to_end(account)
        if len(self._seen) > MOST_SEEN:
            self._seen.popitem(last=False)
        if first:
            until, digest = _time(leaf), _fingerprint(leaf)
            message = f"Issued certificate for {identity.dns_name} until {until}, SHA-256 {digest}"
            self._notices.tell(Notice(account, ISSUED, message, warning=False, once=True))

    async def _certify(self, request: web.Request) -> web.Response:
        began = self._clock()
        claimed = None
        try:
            self._usable()  # before anything is read
            asked = read(await _body(request))
            claimed = asked.identity.dns_name
            chain = await self.certify(asked)
        except Refused as error:
            return self._refuse(error, claimed)
        self._answers.labels("issued").inc()
        self._took.observe(self._clock() - began)
        leaf = chain[0]
        log.info("identity.issued", identity=claimed, not_after=_time(leaf), sha256=_fingerprint(leaf))
        return web.json_response({"chain": chain_pem(*chain).decode(), "notAfter": _time(leaf)})

    def _refuse(self, error: Refused, claimed: str | None) -> web.Response:
        self._answers.labels(error.reason).inc()
        log.warning("identity.refused", reason=error.reason, identity=claimed, said=str(error))
        said = f"{error.reason}: {error}"
        self._notices.tell(Notice(error.account, REFUSED, said, kind=error.reason))
        headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
        body = {"error": error.reason, "message": str(error)}
        return web.json_response(body, status=error.status, headers=headers)


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(READING):
            return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise BadRequest(f"the body is over {MOST} bytes") from error
    except TimeoutError as error:
        raise BadRequest(f"the body did not come in {READING:g} s") from error


def _time(leaf: x509.Certificate) -> str:
    return leaf.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")


def _fingerprint(leaf: x509.Certificate) -> str:
    return leaf.fingerprint(hashes.SHA256()).hex()
