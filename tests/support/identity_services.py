"""
Identity services on real sockets: the real one, whose cluster is a table of tokens, and ones that lie.

    async with identity_service(PKI) as service:
        await issued(service.server, ...)
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiohttp import web
from prometheus_client import CollectorRegistry

from certs.credentials import Credentials
from certs.issuance import IdentityServer
from certs.issuer import Issuer, Settings
from certs.service import PATH, IdentityService
from certs.tls_server import TlsServer
from process.address import Address
from tests.support.pki import DAY, Pki
from tests.support.tokens import token
from tests.support.vouching import Tokens, Told

SERVICE = "jackstay-identity.jackstay"
WEB_TOKEN = token("test", "web")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Service:
    """One that runs."""

    server: IdentityServer
    tokens: Tokens
    requests: list[bytes] = field(default_factory=list)
    """The bodies that came through TLS."""


@asynccontextmanager
async def identity_service(
    pki: Pki,
    *,
    name: str = SERVICE,
    own: Pki | None = None,
    shown: Credentials | None = None,
    lifetime: timedelta = DAY,
    listen: Address = Address("127.0.0.1", 0),  # noqa: B008  # frozen
    instead: Handler | None = None,
) -> AsyncIterator[Service]:
    """
    Issues leaves under *pki* that live *lifetime*, and shows a leaf for *name* of *own* (*pki* unless said),
    or *shown*.

    With *instead* that answers in its place.
    """
    tokens = Tokens({WEB_TOKEN: ("test", "web")})
    settings = Settings("jackstay", pki.trust_domain, lifetime)
    issuer = Issuer.tried(pki.issuer, pki.bundle, settings, datetime.now(UTC))
    issuing = IdentityService(lambda: issuer, tokens, settings, Told(), CollectorRegistry())
    application = issuing.application()
    if instead is not None:
        application = web.Application()
        application.router.add_post(PATH, instead)
    requests: list[bytes] = []

    @web.middleware
    async def noting(request: web.Request, handler: Handler) -> web.StreamResponse:
        requests.append(await request.read())
        return await handler(request)

    application.middlewares.append(noting)
    async with TlsServer(application, listen) as server:
        server.show(shown or (own or pki).leaf(name).credentials)
        identity = pki.identity(SERVICE).dns_name
        yield Service(IdentityServer(server.address, identity), tokens, requests)


async def silent(request: web.Request) -> web.Response:
    """Answers never."""
    await asyncio.Event().wait()
    raise AssertionError
