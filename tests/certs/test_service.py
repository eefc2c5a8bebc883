import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from certs.authority import LEAF_LIFETIME, make_issuer, new_key
from certs.credentials import Credentials, key_pem
from certs.identity import Identity
from certs.service import AUDIENCE, IdentityService, ReviewFailed, Settings, TokenRefused, served
from certs.signing_request import make
from certs.verification import verify
from process.address import Address
from tests.support.pki import DAY, Pki

PKI = Pki.make()
OWN = PKI.leaf("jackstay-identity.jackstay")
WEB, API = PKI.identity("web.test"), PKI.identity("api.test")
KEY = new_key()


class Tokens:
    """Knows whose each token is; stands for the cluster."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failing = False

    async def review(self, token: str, audience: str) -> tuple[str, str]:
        assert audience == AUDIENCE
        self.asked.append(token)
        if self.failing:
            raise ReviewFailed("east: no answer")
        known = {"web's": ("test", "web"), "api's": ("test", "api"), "dotted": ("test", "a.b")}
        if token not in known:
            raise TokenRefused("the cluster does not accept the token")
        return known[token]


class Service:
    """A running identity service and a client that verifies it."""

    def __init__(self, pki: Pki = PKI) -> None:
        self.tokens = Tokens()
        self.registry = CollectorRegistry()
        self.pki = pki
        self.now = pki.now
        self.url = ""
        self.session: aiohttp.ClientSession

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Service"]:
        settings = Settings("jackstay", self.pki.trust_domain)
        service = IdentityService(
            self.pki.issuer, self.pki.bundle, self.tokens, settings, self.registry, now=lambda: self.now
        )
        async with (
            served(service.application(), OWN.credentials, Address("127.0.0.1", 0)) as bound,
            aiohttp.ClientSession() as self.session,
        ):
            self.url = f"https://{bound}/v1/certify"
            yield self

    async def post(self, body: bytes) -> tuple[int, dict[str, Any]]:
        tls = ssl.create_default_context(cadata=PKI.anchors_pem.decode())
        posted = self.session.post(self.url, data=body, ssl=tls, server_hostname=OWN.identity)
        async with posted as answer:
            return answer.status, await answer.json()

    async def ask(
        self, identity: Identity = WEB, token: str = "web's", csr: bytes | None = None
    ) -> tuple[int, dict[str, Any]]:
        body = {"identity": identity.dns_name, "token": token}
        body["csr"] = (csr or make(identity, KEY)).decode()
        return await self.post(json.dumps(body).encode())

    def counted(self, result: str) -> float | None:
        return self.registry.get_sample_value("jackstay_identity_requests_total", {"result": result})


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with Service().running() as running:
        yield running


async def test_a_workload_gets_a_chain_that_peers_take(service: Service) -> None:
    status, answer = await service.ask()
    assert status == 200
    credentials = Credentials.from_pem(answer["chain"].encode(), key_pem(KEY))
    assert credentials.identity == WEB.dns_name
    sent = [link.public_bytes(Encoding.DER) for link in credentials.chain]
    assert verify(sent, PKI.bundle, role="client", at=PKI.now).spiffe == WEB.spiffe_uri
    assert verify(sent, PKI.bundle, role="server", at=PKI.now).identity == WEB.dns_name
    not_after = datetime.fromisoformat(answer["notAfter"])
    assert not_after == credentials.leaf.not_valid_after_utc
    assert abs(not_after - PKI.now - LEAF_LIFETIME) < timedelta(seconds=1)
    assert service.counted("issued") == 1


async def test_a_leaf_never_outlives_its_issuer() -> None:
    issuer = make_issuer("identity.jackstay", PKI.root, now=PKI.now, lifetime=timedelta(hours=2))
    short = Pki(PKI.root, issuer, PKI.trust_domain, PKI.now)
    async with Service(short).running() as service:
        _, answer = await service.ask()
        assert datetime.fromisoformat(answer["notAfter"]) == issuer.certificate.not_valid_after_utc


async def test_an_expired_issuer_issues_nothing(service: Service) -> None:
    service.now = PKI.now + 366 * DAY
    status, answer = await service.ask()
    assert (status, answer["error"]) == (503, "unavailable")
    assert "not valid now" in answer["message"]


async def test_an_issuer_that_peers_would_refuse_issues_nothing() -> None:
    other = Pki.make()
    mixed = Pki(other.root, PKI.issuer, PKI.trust_domain, PKI.now)
    async with Service(mixed).running() as service:
        status, answer = await service.ask()
        assert (status, answer["error"]) == (503, "unavailable")
        assert "peers would refuse" in answer["message"]


async def test_an_identity_is_given_to_its_own_account_only(service: Service) -> None:
    status, answer = await service.ask(API, "web's")
    assert (status, answer["error"]) == (403, "identity_mismatch")
    assert set(answer) == {"error", "message"}
    west = Identity("web", "test", "jackstay", "west.jackstay")
    assert (await service.ask(west))[0] == 403
    linkerd = Identity("web", "test", "linkerd", "cluster.local")
    assert (await service.ask(linkerd))[0] == 403
    assert (await service.ask(WEB, "dotted"))[0] == 403
    assert service.counted("identity_mismatch") == 4


async def test_a_token_that_the_cluster_does_not_know_is_refused(service: Service) -> None:
    with capture_logs() as logs:
        status, answer = await service.ask(token="forged, and secret")
    assert (status, answer["error"]) == (401, "token_refused")
    assert "secret" not in json.dumps([answer, logs])
    assert [(line["event"], line["identity"]) for line in logs] == [("identity.refused", WEB.dns_name)]


async def test_a_cluster_that_does_not_answer_is_no_verdict(service: Service) -> None:
    service.tokens.failing = True
    status, answer = await service.ask()
    assert (status, answer["error"]) == (503, "unavailable")


async def test_the_cluster_is_not_asked_about_a_bad_request(service: Service) -> None:
    status, answer = await service.ask(WEB, "web's", make(API, KEY))
    assert (status, answer["error"]) == (400, "bad_csr")
    assert service.tokens.asked == []


GOOD = {"identity": WEB.dns_name, "token": "web's", "csr": make(WEB, KEY).decode()}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"[" * 30_000,
        b"\xff",
        b" " * 70_000,
        *(json.dumps({k: v for k, v in GOOD.items() if k != key}).encode() for key in GOOD),
        *(json.dumps({**GOOD, key: value}).encode() for key in GOOD for value in (1, None, "", ["a"], "é")),
        json.dumps({**GOOD, "identity": "web.test"}).encode(),
        json.dumps({**GOOD, "identity": "web\0" + WEB.dns_name}).encode(),
    ],
    ids=lambda body: repr(body[:40]),
)
async def test_a_body_that_is_none_is_refused(service: Service, body: bytes) -> None:
    status, answer = await service.post(body)
    assert (status, answer["error"]) == (400, "bad_request")
    assert service.tokens.asked == []


async def test_only_tls_13_is_spoken_and_no_client_certificate_asked_for(service: Service) -> None:
    old = ssl.create_default_context(cadata=PKI.anchors_pem.decode())
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(aiohttp.ClientConnectorError):
        await service.session.post(service.url, ssl=old, server_hostname=OWN.identity)


async def test_an_address_that_is_taken_is_named() -> None:
    service = Service()
    async with service.running():
        taken = Address("127.0.0.1", int(service.url.split(":")[2].partition("/")[0]))
        with pytest.raises(OSError, match=f"^cannot listen on {taken}: Address already in use$"):
            async with served(web.Application(), OWN.credentials, taken):
                pass
