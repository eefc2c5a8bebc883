"""
The identity service: a workload shows who it is and gets a certificate that says so.

    POST /v1/certify  {"identity": NAME, "token": TOKEN, "csr": PEM}
    200               {"chain": PEM, "notAfter": TIME}
    4xx, 5xx          {"error": REASON, "message": SENTENCE}

The token is a service account's, made for AUDIENCE and no other, so that one stolen here
opens nothing else. Who it belongs to is asked of the cluster; the identity must be that
one's and the request must ask for exactly it. The checks that cost nothing come first.
"""

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from prometheus_client import CollectorRegistry, Counter

from certs import signing_request
from certs.authority import LEAF_LIFETIME, Authority, CannotIssue, chain_pem, sign_leaf
from certs.credentials import Credentials
from certs.generation import one_sided
from certs.identity import Identity, InvalidIdentity
from certs.signing_request import InvalidRequest
from certs.trust_bundle import TrustBundle
from certs.verification import Untrusted, verify
from process.address import Address

log = structlog.get_logger()

AUDIENCE = "identity.jackstay.io"
PATH = "/v1/certify"
MOST = 64 * 1024
"""Bytes of a request."""


class TokenRefused(Exception):
    """The cluster does not vouch for the token: it is forged, expired or for another audience."""


class ReviewFailed(Exception):
    """The cluster could not be asked about the token; to ask again may help."""


class TokenReviewer(Protocol):
    """Whoever can say to which service account a token belongs."""

    async def review(self, token: str, audience: str) -> tuple[str, str]:
        """Namespace and name of the account. Raises TokenRefused or ReviewFailed."""


class Refused(Exception):
    """No certificate. `str()` is for the one who asked; it holds nothing secret."""

    status = 400
    reason = "bad_request"


class BadRequest(Refused):
    """The body is not what the service reads."""


class BadSigningRequest(Refused):
    """The certificate request is damaged or asks for something else."""

    reason = "bad_csr"


class NotVouchedFor(Refused):
    """The token is none that the cluster would vouch for."""

    status = 401
    reason = "token_refused"


class NotTheirs(Refused):
    """The identity is not that of the token's service account."""

    status = 403
    reason = "identity_mismatch"


class Unavailable(Refused):
    """It is our fault, or the cluster's; later it may work."""

    status = 503
    reason = "unavailable"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request said, read whole."""

    identity: Identity
    token: str = field(repr=False)
    csr: bytes


@dataclass(frozen=True, slots=True)
class Settings:
    """What the service issues."""

    control_namespace: str
    """The label after `identity.` in every name it issues."""

    trust_domain: str
    """The end of every name it issues."""

    lifetime: timedelta = LEAF_LIFETIME
    """How long a leaf is valid, unless its issuer ends before."""


class IdentityService:
    """Issues leaves under *issuer*; the cluster behind *reviewer* says who is who."""

    def __init__(
        self,
        issuer: Authority,
        bundle: TrustBundle,
        reviewer: TokenReviewer,
        settings: Settings,
        registry: CollectorRegistry,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._issuer = issuer
        self._bundle = bundle
        self._reviewer = reviewer
        self._settings = settings
        self._now = now
        self._answers = Counter(
            "jackstay_identity_requests",
            "Requests for certificates, by result.",
            ["result"],
            registry=registry,
        )

    def application(self) -> web.Application:
        """The HTTP side, to be served over TLS."""
        app = web.Application(client_max_size=MOST)
        app.router.add_post(PATH, self._certify)
        return app

    async def certify(self, asked: Asked) -> tuple[x509.Certificate, ...]:
        """The chain for the one who asks, leaf first. Raises Refused."""
        try:
            key = signing_request.read(asked.csr, asked.identity)
        except InvalidRequest as error:
            raise BadSigningRequest(str(error)) from error
        try:
            namespace, account = await self._reviewer.review(asked.token, AUDIENCE)
            theirs = Identity(
                account, namespace, self._settings.control_namespace, self._settings.trust_domain
            )
        except TokenRefused as error:
            raise NotVouchedFor(str(error)) from error
        except InvalidIdentity as error:
            raise NotTheirs(str(error)) from error
        except ReviewFailed as error:
            raise Unavailable(f"the token could not be reviewed: {error}") from error
        if asked.identity != theirs:
            raise NotTheirs(f"the token is that of {theirs.dns_name}, not of {asked.identity.dns_name}")
        now = self._now()
        try:
            chain = sign_leaf(theirs, key, self._issuer, now=now, lifetime=self._settings.lifetime)
            check_taken(chain, self._bundle, now)
        except CannotIssue as error:
            raise Unavailable(f"the issuer cannot be used: {error}") from error
        return chain

    async def _certify(self, request: web.Request) -> web.Response:
        claimed = None
        try:
            asked = read(await _body(request))
            claimed = asked.identity.dns_name
            chain = await self.certify(asked)
        except Refused as error:
            self._answers.labels(error.reason).inc()
            log.warning("identity.refused", reason=error.reason, identity=claimed, said=str(error))
            return web.json_response({"error": error.reason, "message": str(error)}, status=error.status)
        self._answers.labels("issued").inc()
        leaf = chain[0]
        not_after = leaf.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
        fingerprint = leaf.fingerprint(hashes.SHA256()).hex()
        log.info("identity.issued", identity=claimed, not_after=not_after, sha256=fingerprint)
        return web.json_response({"chain": chain_pem(*chain).decode(), "notAfter": not_after})


@asynccontextmanager
async def served(
    application: web.Application, credentials: Credentials, listen: Address
) -> AsyncIterator[Address]:
    """
    Serve *application* over TLS 1.3 while the block runs; gives the address as bound.

    Raises OSError, with a sentence, if there is no listening on *listen*.
    """
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=5.0)
    await runner.setup()
    try:
        tls = one_sided(credentials)
        try:
            await web.TCPSite(runner, listen.host or None, listen.port, ssl_context=tls).start()
        except OSError as error:
            raise OSError(f"cannot listen on {listen}: {os.strerror(error.errno or 0)}") from error
        yield Address(listen.host, runner.addresses[0][1])
    finally:
        await runner.cleanup()


def check_taken(chain: tuple[x509.Certificate, ...], bundle: TrustBundle, at: datetime) -> None:
    """Raises CannotIssue if peers who hold *bundle* would refuse *chain*: then nobody is helped by it."""
    sent = [link.public_bytes(Encoding.DER) for link in chain]
    try:
        verify(sent, bundle, role="client", at=at)
        verify(sent, bundle, role="server", at=at)
    except Untrusted as error:
        raise CannotIssue(f"peers would refuse what it signs: {error}") from error


def read(body: bytes) -> Asked:
    """Read what was posted. Raises BadRequest."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON") from error
    if not isinstance(found, dict):
        raise BadRequest("the body is not a JSON object")
    identity, token, csr = (_text(found.get(key), key) for key in ("identity", "token", "csr"))
    try:
        return Asked(Identity.parse(identity), token, csr.encode())
    except (InvalidIdentity, UnicodeEncodeError) as error:
        raise BadRequest(f"the identity is none: {error}") from error


def _text(value: object, key: str) -> str:
    if not isinstance(value, str) or not value.isascii() or not value:
        raise BadRequest(f"{key!r} is missing or no ASCII text; send identity, token and csr")
    return value


async def _body(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise BadRequest(f"the body is over {MOST} bytes") from error
