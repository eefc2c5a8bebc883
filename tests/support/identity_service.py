"""The identity service over real TLS, with tokens that stand for the cluster."""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
from prometheus_client import CollectorRegistry

from certs.authority import LEAF_LIFETIME, SKEW, CannotIssue, new_key
from certs.identity import Identity
from certs.issuer import Issuer, Settings
from certs.rate_limit import Rate
from certs.service import DEFAULT_RATE, IdentityService
from certs.signing_request import make
from certs.tls_server import TlsServer
from process.address import Address
from tests.support.pki import Pki
from tests.support.vouching import Tokens, Told

PKI = Pki.make()
OWN = PKI.leaf("jackstay-identity.jackstay")
WEB, API = PKI.identity("web.test"), PKI.identity("api.test")
KEY = new_key()
KNOWN = {"web's": ("test", "web"), "api's": ("test", "api"), "dotted": ("test", "a.b")}


class IdentityServiceUnderTest:
    """A running identity service and a client that verifies it."""

    def __init__(
        self,
        pki: Pki = PKI,
        *,
        rate: Rate = DEFAULT_RATE,
        lifetime: timedelta = LEAF_LIFETIME,
        skew: timedelta = SKEW,
    ) -> None:
        self.tokens = Tokens(dict(KNOWN))
        self.told = Told()
        self.registry = CollectorRegistry()
        self.settings = Settings("jackstay", pki.trust_domain, lifetime, skew)
        self.issuer: Issuer | None = Issuer.tried(pki.issuer, pki.bundle, self.settings, pki.now)
        self.rate = rate
        self.now = pki.now
        self.clock = 0.0
        self.url = ""
        self.retry_after = ""
        self.session: aiohttp.ClientSession

    def usable(self) -> Issuer:
        if self.issuer is None:
            raise CannotIssue("no issuer has been read yet")
        return self.issuer

    @asynccontextmanager
    async def running(self) -> AsyncIterator["IdentityServiceUnderTest"]:
        service = IdentityService(
            self.usable,
            self.tokens,
            self.settings,
            self.told,
            self.registry,
            rate=self.rate,
            now=lambda: self.now,
            clock=lambda: self.clock,
        )
        async with (
            TlsServer(service.application(), Address("127.0.0.1", 0)) as server,
            aiohttp.ClientSession() as self.session,
        ):
            server.show(OWN.credentials)
            self.url = f"https://{server.address}/v1/certify"
            yield self

    async def post(self, body: bytes) -> tuple[int, dict[str, Any]]:
        tls = ssl.create_default_context(cadata=PKI.anchors_pem.decode())
        posted = self.session.post(self.url, data=body, ssl=tls, server_hostname=OWN.identity)
        async with posted as answer:
            self.retry_after = answer.headers.get("Retry-After", "")
            return answer.status, await answer.json()

    async def ask(
        self, identity: Identity = WEB, token: str = "web's", csr: bytes | None = None
    ) -> tuple[int, dict[str, Any]]:
        body = {"identity": identity.dns_name, "token": token}
        body["csr"] = (csr or make(identity, KEY)).decode()
        return await self.post(json.dumps(body).encode())

    def counted(self, result: str) -> float | None:
        return self.registry.get_sample_value("jackstay_identity_requests_total", {"result": result})
