import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from ipaddress import ip_address

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from structlog.testing import capture_logs

from certs.authority import LEAF_LIFETIME, make_issuer
from certs.credentials import Credentials, key_pem
from certs.identity import Identity
from certs.notices import ISSUED, REFUSED
from certs.rate_limit import Rate
from certs.review_queue import Account
from certs.signing_request import make
from certs.verification import verify
from tests.support.identity_service import API, KEY, OWN, PKI, WEB, IdentityServiceUnderTest
from tests.support.pki import DAY, Pki

Service = IdentityServiceUnderTest


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


async def test_without_an_issuer_nothing_is_read_and_nobody_asked(service: Service) -> None:
    service.issuer = None
    status, answer = await service.post(b"not JSON at all")
    assert (status, answer["error"], service.retry_after) == (503, "unavailable", "5")
    assert "the certificate issuer is not ready: no issuer has been read yet" in answer["message"]
    assert service.tokens.asked == []


async def test_a_leaf_begins_to_be_valid_before_it_is_made() -> None:
    lifetime, skew = timedelta(hours=3), timedelta(seconds=20)
    async with Service(lifetime=lifetime, skew=skew).running() as service:
        _, answer = await service.ask()
        leaf = x509.load_pem_x509_certificate(answer["chain"].encode())
        assert leaf.not_valid_before_utc == (PKI.now - skew).replace(microsecond=0)
        assert leaf.not_valid_after_utc == (PKI.now + lifetime).replace(microsecond=0)


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


def request(
    *names: x509.GeneralName,
    common: str | None = None,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = KEY,
) -> bytes:
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, common)] if common is not None else []
    builder = x509.CertificateSigningRequestBuilder(x509.Name(subject))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


NAME = x509.DNSName(WEB.dns_name)


ASKED_FOR = {
    "no name": request(),
    "a common name alone": request(common=WEB.dns_name),
    "another's name": request(x509.DNSName(API.dns_name)),
    "two names": request(NAME, x509.DNSName(API.dns_name)),
    "its name twice": request(NAME, NAME),
    "a common name that is no identity": request(NAME, common="web"),
    "another's common name": request(NAME, common=API.dns_name),
    "a URI": request(NAME, x509.UniformResourceIdentifier(WEB.spiffe_uri)),
    "a mail address": request(NAME, x509.RFC822Name("web@test")),
    "an IP address": request(NAME, x509.IPAddress(ip_address("10.0.0.1"))),
    "a wildcard": request(x509.DNSName("*" + WEB.dns_name[3:])),
    "upper case": request(x509.DNSName(WEB.dns_name.upper())),
    "a dot at the end": request(x509.DNSName(WEB.dns_name + ".")),
    "RSA 2048": request(NAME, key=rsa.generate_private_key(65537, 2048)),
    "P-384": request(NAME, key=ec.generate_private_key(ec.SECP384R1())),
    "cut off": request(NAME)[:-60],
    "two requests": request(NAME) + request(NAME),
    "no DER": b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
}


@pytest.mark.parametrize("csr", ASKED_FOR.values(), ids=ASKED_FOR)
async def test_a_certificate_request_that_asks_for_anything_else_is_refused(
    service: Service, csr: bytes
) -> None:
    status, answer = await service.ask(WEB, "web's", csr)
    assert (status, answer["error"]) == (400, "bad_csr")
    assert service.tokens.asked == []


async def test_a_common_name_that_is_the_identity_is_taken(service: Service) -> None:
    assert (await service.ask(WEB, "web's", request(NAME, common=WEB.dns_name)))[0] == 200
    assert (await service.ask(WEB, "web's", request(NAME)))[0] == 200


async def test_the_first_certificate_of_an_account_is_told_of_and_no_renewal(service: Service) -> None:
    _, answer = await service.ask()
    for identity, token in ((API, "api's"), (WEB, "web's"), (WEB, "web's"), (API, "api's")):
        assert (await service.ask(identity, token))[0] == 200
    first, second = service.told.notices
    assert (first.account, first.reason, first.once) == (Account("test", "web", "1234"), ISSUED, True)
    assert second.account == Account("test", "api", "1234")
    leaf = x509.load_pem_x509_certificate(answer["chain"].encode())
    assert leaf.fingerprint(hashes.SHA256()).hex() in first.message
    assert WEB.dns_name in first.message


async def test_every_refusal_is_told_to_the_account_it_concerns(service: Service) -> None:
    await service.ask(API, "web's")
    await service.ask(WEB, "forged, and secret")
    await service.post(b"{")
    web = Account("test", "web", "1234")
    told = [(notice.account, notice.reason, notice.kind) for notice in service.told.notices]
    assert told == [
        (web, REFUSED, "identity_mismatch"),
        (None, REFUSED, "token_refused"),
        (None, REFUSED, "bad_request"),
    ]
    assert "secret" not in repr(service.told.notices)


async def test_an_account_that_asks_too_often_is_told_when_to_come_again() -> None:
    async with Service(rate=Rate(per_second=0.1, burst=2)).running() as service:
        assert [(await service.ask())[0] for _ in range(3)] == [200, 200, 429]
        assert service.retry_after == "10"
        assert (await service.ask(API, "api's"))[0] == 200  # each has its own
        service.clock += 9.9
        assert (await service.ask())[0] == 429
        assert service.retry_after == "1"
        service.clock += 0.2
        assert (await service.ask())[0] == 200
        assert service.counted("rate_limited") == 2
        assert service.told.notices[-1].kind == "rate_limited"
        assert service.told.notices[-1].account == Account("test", "web", "1234")


async def test_a_thousand_pods_of_one_account_are_served_at_once(service: Service) -> None:
    body = json.dumps(GOOD).encode()
    answers = await asyncio.gather(*(service.post(body) for _ in range(1000)))
    assert {status for status, _ in answers} == {200}
