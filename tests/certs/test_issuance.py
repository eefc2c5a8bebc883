"""The client of the identity service, over real TLS: whom it tells its token, and what answers it takes."""

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from certs.account_token import parse
from certs.authority import chain_pem, make_leaf, new_key
from certs.credentials import Credentials, key_pem
from certs.issuance import IdentityServer, NotIssued, issued
from certs.service import AUDIENCE
from certs.signing_request import read as read_request
from certs.trust_bundle import TrustBundle
from process.address import Address
from tests.certs.forge import Change, dns, forge, named, without
from tests.support.identity_services import SERVICE, WEB_TOKEN, Handler, identity_service, silent
from tests.support.pki import DAY, Pki
from tests.support.tokens import token

PKI = Pki.make()
OTHER = Pki.make()
WEB = PKI.identity("web.test")


def now() -> datetime:
    return datetime.now(UTC)


async def ask(
    server: IdentityServer, *, bundle: TrustBundle = PKI.bundle, text: str = WEB_TOKEN, deadline: float = 10.0
) -> Credentials:
    shown = parse(text.encode(), audience=AUDIENCE)
    return await issued(server, WEB, shown, bundle, now=now, deadline=deadline)


async def test_a_token_gets_a_certificate_for_a_key_that_was_never_sent() -> None:
    async with identity_service(PKI) as service:
        credentials = await ask(service.server)
        assert credentials.identity == WEB.dns_name
        assert service.tokens.asked == [WEB_TOKEN]
        (sent,) = service.requests
        assert b"PRIVATE" not in sent
        assert isinstance(credentials.leaf.public_key(), ec.EllipticCurvePublicKey)


async def test_every_certificate_is_for_a_new_key() -> None:
    async with identity_service(PKI) as service:
        first, second = await ask(service.server), await ask(service.server)
        assert first.leaf.public_key() != second.leaf.public_key()


@pytest.mark.parametrize(
    ("name", "own", "why"),
    [
        (SERVICE, OTHER, "does not prove to be it: "),
        ("web.test", PKI, f"it is {WEB.dns_name}, and must be jackstay-identity"),
        ("jackstay-identity.test", PKI, "and must be jackstay-identity.jackstay"),
        ("jackstay-gateway.jackstay", PKI, "and must be jackstay-identity.jackstay"),
    ],
)
async def test_who_does_not_prove_to_be_the_service_is_told_nothing(name: str, own: Pki, why: str) -> None:
    async with identity_service(PKI, name=name, own=own) as service:
        with pytest.raises(NotIssued) as refused:
            await ask(service.server)
        assert why in str(refused.value)
        assert service.requests == []
        assert WEB_TOKEN not in str(refused.value)


async def test_a_service_whose_certificate_has_ended_is_told_nothing() -> None:
    old = Pki(PKI.root, PKI.issuer, PKI.trust_domain, PKI.now - 0.9 * DAY)

    class Ended(Pki):
        def leaf(self, name: str, **_: Any) -> Any:
            return Pki.leaf(self, name, lifetime=0.5 * DAY)

    ended = Ended(old.root, old.issuer, old.trust_domain, old.now)
    async with identity_service(PKI, own=ended) as service:
        with pytest.raises(NotIssued, match="does not prove to be it"):
            await ask(service.server)
        assert service.requests == []


SERVICE_NAME = PKI.identity(SERVICE).dns_name


@pytest.mark.parametrize(
    ("leaf", "why"),
    [
        (named(dns(SERVICE_NAME), dns(SERVICE_NAME)), "2 DNS names"),
        (named(dns(SERVICE_NAME.upper())), "is not an identity"),
        (without(x509.ExtendedKeyUsage), "extended key usage"),
    ],
)
async def test_what_openssl_takes_is_looked_at_again(leaf: Change, why: str) -> None:
    made = forge(leaf=leaf)
    assert isinstance(made.key, ec.EllipticCurvePrivateKey)
    shown = Credentials(made.certificates, SERVICE_NAME, made.pem, key_pem(made.key))
    async with identity_service(PKI, shown=shown) as service:
        with pytest.raises(NotIssued, match="does not prove to be it") as refused:
            await ask(service.server, bundle=made.bundle)
        assert why in str(refused.value)
        assert service.requests == []


async def test_the_system_s_anchors_count_for_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "system.pem").write_bytes(OTHER.anchors_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
    async with identity_service(PKI, own=OTHER) as service:
        with pytest.raises(NotIssued, match="does not prove to be it"):
            await ask(service.server)


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    async with identity_service(PKI) as service:
        assert (await ask(service.server)).identity == WEB.dns_name


async def test_what_the_service_refuses_is_told_in_its_words() -> None:
    async with identity_service(PKI) as service:
        with pytest.raises(NotIssued, match=r"does not accept the token \(token_refused\)"):
            await ask(service.server, text=token("test", "web", audience=AUDIENCE) + "x")
        service.tokens.known[WEB_TOKEN] = ("test", "api")
        with pytest.raises(NotIssued, match=r"not of web\.test.*\(identity_mismatch\)"):
            await ask(service.server)


def answering(make: Callable[[dict[str, str]], web.Response]) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        return make(json.loads(await request.read()))

    return answer


def issuing(
    name: str = "web.test", *, pki: Pki = PKI, **made: Any
) -> Callable[[dict[str, str]], web.Response]:
    """A service that signs for *name*, whatever it is asked."""

    def answer(asked: dict[str, str]) -> web.Response:
        key = read_request(asked["csr"].encode(), WEB)
        leaf = pki.signed(name, key, **made)
        return web.json_response({"chain": leaf.decode(), "notAfter": "2100-01-01T00:00:00Z"})

    return answer


def for_another_key(asked: dict[str, str]) -> web.Response:
    chain, _ = make_leaf(WEB, PKI.issuer, now=now())
    return web.json_response({"chain": chain_pem(*chain).decode()})


def with_its_issuer_first(asked: dict[str, str]) -> web.Response:
    key = read_request(asked["csr"].encode(), WEB)
    return web.json_response({"chain": (PKI.issuer.pem + PKI.signed("web.test", key)).decode()})


def plain(status: int, body: str, **headers: str) -> Callable[[dict[str, str]], web.Response]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda asked: web.Response(status=status, text=body, headers=named)


CHAIN = chain_pem(PKI.issuer.certificate).decode()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (issuing("api.test"), "has sent a certificate of api.test"),
        (issuing("web.other"), "has sent a certificate of web.other"),
        (issuing(pki=OTHER), "cannot be used: it is signed by another"),
        (issuing(at=PKI.now - DAY, lifetime=0.5 * DAY), "the leaf has expired"),
        (issuing(at=PKI.now + DAY), "the leaf is not valid yet"),
        (for_another_key, "the key does not belong to the certificate"),
        (with_its_issuer_first, "certificate 1 is not signed by certificate 2"),
        (plain(200, json.dumps({"chain": CHAIN})), "the key does not belong to the certificate"),
        (plain(200, json.dumps({"chain": ""})), "it is empty"),
        (plain(200, json.dumps({"chain": "\ud800"})), "cannot be used"),
        (plain(200, json.dumps({"chain": CHAIN[:-40]})), "cut off"),
        (plain(200, json.dumps({"chain": 7})), "answers 200 and nothing that we understand"),
        (plain(200, json.dumps([CHAIN])), "nothing that we understand"),
        (plain(200, "[" * 50_000), "nothing that we understand"),
        (plain(200, "hello"), "nothing that we understand"),
        (plain(200, ""), "nothing that we understand"),
        (plain(500, json.dumps({"chain": CHAIN})), "answers 500 and nothing that we understand"),
        (plain(201, json.dumps({"chain": CHAIN})), "answers 201 and nothing that we understand"),
        (plain(404, "404: Not Found"), "answers 404"),
        (plain(307, "", Location="https://127.0.0.1:9/v1/certify"), "answers 307"),
        (plain(200, "x" * 70_000), "more than 65536 bytes"),
        (plain(200, "x", Content_Encoding="gzip"), "nothing that we understand"),
        (plain(400, json.dumps({"error": "bad\x1b[2J", "message": "no\n" * 999})), "no?no?"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_no_certificate_of_ours_is_not_taken(
    answer: Callable[[dict[str, str]], web.Response], why: str
) -> None:
    async with identity_service(PKI, instead=answering(answer)) as service:
        with pytest.raises(NotIssued) as refused:
            await ask(service.server)
    sentence = str(refused.value)
    assert why in sentence
    assert sentence.isprintable()
    assert len(sentence) < 1200


async def test_a_service_that_gives_what_it_should_is_taken_by_the_same_test() -> None:
    async with identity_service(PKI, instead=answering(issuing())) as service:
        assert (await ask(service.server)).identity == WEB.dns_name


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("7", 7.0), ("0", 0.0), ("-1", None), ("1.5", None), ("soon", None), ("9" * 400, None), ("²", None)],
)
async def test_for_how_long_the_service_wants_to_be_left_alone(said: str, seconds: float | None) -> None:
    body = json.dumps({"error": "too_many", "message": "not so often"})
    async with identity_service(PKI, instead=answering(plain(429, body, Retry_After=said))) as service:
        with pytest.raises(NotIssued, match="not so often") as refused:
            await ask(service.server)
    assert refused.value.again_in == seconds


async def test_nobody_there_and_nobody_answering() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and does not listen
        server = IdentityServer(Address(*bound.getsockname()), "x")
        with pytest.raises(NotIssued, match="cannot be asked: Connection refused"):
            await ask(server)
    with pytest.raises(NotIssued, match="its name cannot be resolved"):
        await ask(IdentityServer(Address("nowhere.invalid", 80), "x"))
    async with identity_service(PKI, instead=silent) as service:
        with pytest.raises(NotIssued, match=r"has not answered within 0\.3 s"):
            await ask(service.server, deadline=0.3)


async def test_who_does_not_speak_tls_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        server = IdentityServer(Address(*mute.getsockname()), "x")
        with pytest.raises(NotIssued, match="has not answered within"):
            await ask(server, deadline=0.3)


def test_what_is_issued_shows_no_key() -> None:
    key = new_key()
    signed = PKI.signed("web.test", key.public_key(), lifetime=timedelta(hours=1))
    assert "PRIVATE" not in repr(Credentials.from_pem(signed, key_pem(key)))
