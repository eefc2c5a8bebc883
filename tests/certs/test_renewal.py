"""A certificate that renews itself, from a real identity service over real TLS."""

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from certs import renewal, schedule
from certs.account_token import InvalidToken
from certs.generation import Generation
from certs.identity import InvalidIdentity
from certs.renewal import RenewedCertificate
from certs.signing_request import read as read_request
from certs.trust_bundle import InvalidTrustBundle
from certs.verification import Revoked, Untrusted
from process.address import Address
from process.files import changes
from tests.support.crl import crl, revoked
from tests.support.identity_services import WEB_TOKEN, Service, identity_service
from tests.support.pki import ALPN, DAY, Pki
from tests.support.processes import until
from tests.support.tokens import token

PKI, OTHER = Pki.make(), Pki.make()
WEB = PKI.identity("web.test").dns_name
NOWHERE = Address("127.0.0.1", 9)


class Proxy:
    """Whoever has such a certificate: its files, and what it was told."""

    def __init__(
        self,
        directory: Path,
        service: Address = NOWHERE,
        *,
        every: float | None = None,
        crl: Path | None = None,
    ) -> None:
        """Renews every so many seconds, or as in production."""
        self.token, self.anchors = directory / "token", directory / "root.crt"
        self.token.write_text(WEB_TOKEN)
        self.anchors.write_bytes(PKI.anchors_pem)
        self.at = datetime.now(UTC)
        self.told: list[Generation | None] = []
        planned: dict[str, Any] = {} if every is None else {"when_to_renew": lambda *_: every}
        self.source = RenewedCertificate(
            service,
            self.token,
            self.anchors,
            control_namespace="jackstay",
            trust_domain="cluster.local",
            alpn=ALPN,
            crl=crl,
            now=lambda: self.at,
            **planned,
        )

    @property
    def generations(self) -> list[Generation]:
        return [generation for generation in self.told if generation is not None]

    @property
    def refusals(self) -> int:
        return self.told.count(None)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[list[Any]]:
        """Follows while the block runs, which gets what is logged."""
        with capture_logs() as said:
            tasks = [asyncio.create_task(self.source.follow(self.told.append))]
            tasks.append(asyncio.create_task(self.source.warn()))
            yield said
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(how, asyncio.CancelledError) for how in ended), ended


def lines(said: list[Any], event: str) -> list[Any]:
    return [line for line in said if line["event"] == event]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "_AGAIN_EVERY", 0.01)
    monkeypatch.setattr(renewal, "_LOOK_EVERY", 0.02)
    monkeypatch.setattr(renewal, "changes", functools.partial(changes, every=0.01))
    monkeypatch.setattr(schedule, "_FIRST", 0.01)
    monkeypatch.setattr(schedule, "_WITHOUT", 0.05)
    monkeypatch.setattr(schedule, "_LONGEST", 0.05)
    monkeypatch.setattr(schedule, "_SOON", 0.01)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with identity_service(PKI) as running:
        yield running


async def test_the_first_certificate_is_in_the_name_of_the_token_s_account(
    tmp_path: Path, service: Service
) -> None:
    proxy = Proxy(tmp_path, service.server.address)
    assert proxy.source.identity == WEB
    async with proxy.following() as said:
        await proxy.source.first()
        generation = proxy.source.generation()
        assert (generation.number, generation.credentials.identity) == (1, WEB)
        assert proxy.told == [generation]
        (loaded,) = lines(said, "certificate.loaded")
        assert (loaded["identity"], loaded["generation"]) == (WEB, 1)
    assert len(service.requests) == 1, "it is good for a day"


async def test_nobody_is_asked_before_somebody_follows(tmp_path: Path, service: Service) -> None:
    proxy = Proxy(tmp_path, service.server.address)
    with pytest.raises(AssertionError):
        proxy.source.generation()
    assert service.requests == []


async def test_each_renewal_is_for_a_new_key_with_the_token_as_it_is_then(
    tmp_path: Path, service: Service
) -> None:
    proxy = Proxy(tmp_path, service.server.address, every=0.01)
    fresh = token("test", "web") + "2"
    service.tokens.known[fresh] = ("test", "web")
    async with proxy.following():
        await until(lambda: len(proxy.generations) >= 3, "renewals")
        proxy.token.write_text(fresh)
        await until(lambda: service.tokens.asked[-1] == fresh, "the fresh token")
    keys = {generation.credentials.key_pem for generation in proxy.generations}
    assert len(keys) == len(proxy.generations)
    assert [generation.number for generation in proxy.generations[:3]] == [1, 2, 3]
    assert set(service.tokens.asked) == {WEB_TOKEN, fresh}


async def test_a_service_that_is_not_there_yet_is_waited_for_and_named_once(tmp_path: Path) -> None:
    async with identity_service(PKI) as gone:
        address = gone.server.address
    proxy = Proxy(tmp_path, address)
    async with proxy.following() as said:
        await until(lambda: proxy.refusals > 3, "tries")
        (awaited,) = lines(said, "certificate.awaited")
        assert f"the identity service at {address} cannot be asked: Connection refused" in awaited["error"]
        assert (awaited["identity"], awaited["log_level"]) == (WEB, "warning")
        async with identity_service(PKI, listen=address):
            await proxy.source.first()
    assert len(lines(said, "certificate.awaited")) == 1
    assert len(proxy.generations) == 1


async def test_another_reason_is_said_too(tmp_path: Path, service: Service) -> None:
    service.tokens.failing = True
    proxy = Proxy(tmp_path, service.server.address)
    async with proxy.following() as said:
        await until(lambda: proxy.refusals > 2, "tries")
        proxy.token.unlink()
        seen = proxy.refusals
        await until(lambda: proxy.refusals > seen + 2, "more tries")
        proxy.token.write_text(WEB_TOKEN)
        service.tokens.failing = False
        await proxy.source.first()
    reasons = [line["error"] for line in lines(said, "certificate.awaited")]
    assert len(reasons) == 2
    assert "the cluster does not answer (unavailable)" in reasons[0]
    assert f"{proxy.token}: No such file" in reasons[1]


async def test_a_renewal_that_fails_keeps_the_certificate_and_says_why_once(
    tmp_path: Path, service: Service
) -> None:
    proxy = Proxy(tmp_path, service.server.address)
    async with proxy.following() as said:
        await proxy.source.first()
        before = proxy.source.generation()
        service.tokens.failing = True
        proxy.source.renew()
        await until(lambda: proxy.refusals > 3, "tries")
        assert proxy.source.generation() is before
        (failed,) = lines(said, "certificate.not_renewed")
        assert "the cluster does not answer" in failed["error"]
        assert (failed["expires"], failed["log_level"]) == (before.credentials.not_after.isoformat(), "error")
        service.tokens.failing = False
        await until(lambda: len(proxy.generations) == 2, "the renewal")
        service.tokens.failing = True
        proxy.source.renew()
        await until(lambda: len(lines(said, "certificate.not_renewed")) == 2, "the same reason, once more")


async def test_somebody_else_s_certificate_is_not_shown(tmp_path: Path) -> None:
    signed_for = ["web.test"]

    async def lies(request: web.Request) -> web.Response:
        key = read_request(json.loads(await request.read())["csr"].encode(), PKI.identity("web.test"))
        return web.json_response({"chain": PKI.signed(signed_for[0], key).decode()})

    async with identity_service(PKI, instead=lies) as service:
        proxy = Proxy(tmp_path, service.server.address)
        async with proxy.following() as said:
            await proxy.source.first()
            signed_for[0] = "api.test"
            proxy.source.renew()
            await until(lambda: proxy.refusals > 2, "refusals")
            assert proxy.source.generation().credentials.identity == WEB
            (failed,) = lines(said, "certificate.not_renewed")
            assert "has sent a certificate of api.test" in failed["error"]


async def test_a_token_of_another_account_is_not_taken_for_ours(tmp_path: Path, service: Service) -> None:
    proxy = Proxy(tmp_path, service.server.address)
    async with proxy.following() as said:
        await proxy.source.first()
        proxy.token.write_text(token("test", "api"))
        proxy.source.renew()
        await until(lambda: proxy.refusals > 0, "the refusal")
        (failed,) = lines(said, "certificate.not_renewed")
        assert "the token is now that of test/api" in failed["error"]
    assert len(service.requests) == 1


async def test_what_the_service_asks_for_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def too_many(request: web.Request) -> web.Response:
        body = {"error": "too_many_requests", "message": "not so often"}
        return web.json_response(body, status=429, headers={"Retry-After": "17"})

    pauses: list[float | None] = []

    def pause(failures: int, *_: object, told: float | None) -> float:
        pauses.append(told)
        return 0.01

    monkeypatch.setattr(schedule, "when_to_try_again", pause)
    async with identity_service(PKI, instead=too_many) as service:
        proxy = Proxy(tmp_path, service.server.address)
        async with proxy.following():
            await until(lambda: len(pauses) > 1, "tries")
    assert set(pauses) == {17.0}


async def test_anchors_that_are_added_are_trusted_at_once_and_make_a_renewal(
    tmp_path: Path, service: Service
) -> None:
    proxy = Proxy(tmp_path, service.server.address)
    async with proxy.following():
        await proxy.source.first()
        proxy.anchors.write_bytes(PKI.anchors_pem + OTHER.anchors_pem)
        await until(lambda: len(proxy.generations) == 3, "both generations")
    first, trusting, renewed = proxy.generations
    assert trusting.credentials == first.credentials
    assert len(trusting.bundle.anchors) == 2
    assert renewed.credentials != first.credentials
    assert renewed.bundle == trusting.bundle
    assert proxy.refusals == 0


async def test_anchors_that_do_not_vouch_for_us_wait_for_a_certificate_under_them(tmp_path: Path) -> None:
    async with identity_service(PKI) as service:
        address = service.server.address
        proxy = Proxy(tmp_path, address)
        following = proxy.following()
        said = await following.__aenter__()
        await proxy.source.first()
        before = proxy.source.generation()
        proxy.anchors.write_bytes(OTHER.anchors_pem)
        await until(lambda: proxy.refusals > 3, "the refusal, and tries")
        assert proxy.source.generation() is before
        (kept,) = lines(said, "certificate.kept")
        assert "signed by another" in kept["error"]
        # The old service is believed no more, though its certificate is as good as ours.
        assert "does not prove to be it" in lines(said, "certificate.not_renewed")[0]["error"]
    async with identity_service(OTHER, listen=address):
        await until(lambda: len(proxy.generations) == 2, "the new certificate")
        await following.__aexit__(None, None, None)
    assert proxy.generations[1].bundle == OTHER.bundle


async def test_a_certificate_under_anchors_that_were_replaced_meanwhile_is_not_taken(tmp_path: Path) -> None:
    asked = 0

    async def slow(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        key = read_request(json.loads(await request.read())["csr"].encode(), PKI.identity("web.test"))
        if asked == 2:
            proxy.anchors.write_bytes(OTHER.anchors_pem)
            await until(lambda: proxy.refusals == 1, "the change to be seen")
        return web.json_response({"chain": PKI.signed("web.test", key).decode()})

    async with identity_service(PKI, instead=slow) as service:
        proxy = Proxy(tmp_path, service.server.address)
        async with proxy.following() as said:
            await proxy.source.first()
            before = proxy.source.generation()
            proxy.source.renew()
            await until(lambda: proxy.refusals > 1, "the verdict")
            assert proxy.source.generation() is before
        assert "signed by another" in lines(said, "certificate.not_renewed")[0]["error"]


async def test_broken_anchors_are_not_taken_and_said_once(tmp_path: Path, service: Service) -> None:
    proxy = Proxy(tmp_path, service.server.address)
    async with proxy.following() as said:
        await proxy.source.first()
        proxy.anchors.write_bytes(PKI.anchors_pem[:-40])
        await until(lambda: lines(said, "certificate.kept"), "the refusal")
        proxy.source.renew()
        await until(lambda: len(proxy.generations) == 2, "a renewal under the old ones")
        proxy.anchors.write_bytes(PKI.anchors_pem + OTHER.anchors_pem)
        await until(lambda: len(proxy.generations[-1].bundle.anchors) == 2, "the mended ones")
    (kept,) = lines(said, "certificate.kept")
    assert "cut off" in kept["error"]
    assert "root.crt" in kept["error"]


async def test_a_clock_that_is_ahead_after_a_sleep_is_noticed(tmp_path: Path, service: Service) -> None:
    proxy = Proxy(tmp_path, service.server.address)
    async with proxy.following():
        await proxy.source.first()
        proxy.at += 0.8 * DAY  # the machine has slept, and its other clock with it
        await until(lambda: len(service.requests) > 1, "the renewal")


@pytest.mark.parametrize(
    ("after", "event"),
    [(0.9 * DAY, "certificate.ends_soon"), (DAY + timedelta(minutes=1), "certificate.ended")],
)
async def test_an_end_is_told_while_renewing_fails(
    tmp_path: Path, service: Service, after: timedelta, event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "until_next_word", lambda *_: 0.01)
    proxy = Proxy(tmp_path, service.server.address)
    async with proxy.following() as said:
        await proxy.source.first()
        service.tokens.failing = True
        proxy.at += after
        await until(lambda: lines(said, event), event)
        assert str(service.server.address) in lines(said, event)[0]["hint"]


async def test_of_an_end_that_is_near_nothing_is_said_while_renewing_works(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: list[datetime] = []

    def next_word(_: object, at: datetime) -> float:
        words.append(at)
        return 0.01

    monkeypatch.setattr(renewal, "until_next_word", next_word)
    proxy = Proxy(tmp_path, service.server.address, every=1000)
    async with proxy.following() as said:
        await proxy.source.first()
        proxy.at += 0.9 * DAY
        await until(lambda: words.count(proxy.at) > 2, "looks")
    assert lines(said, "certificate.ends_soon") == []


def without_token(proxy: Path) -> None:
    (proxy / "token").unlink()


def with_others_token(proxy: Path) -> None:
    (proxy / "token").write_text(token("test", "web", audience="another"))


def with_dotted_account(proxy: Path) -> None:
    (proxy / "token").write_text(token("test", "a.b"))


def without_anchors(proxy: Path) -> None:
    (proxy / "root.crt").unlink()


@pytest.mark.parametrize(
    ("spoil", "kind", "why"),
    [
        (without_token, InvalidToken, "token: No such file"),
        (with_others_token, InvalidToken, "not made for audience"),
        (with_dotted_account, InvalidIdentity, "has a dot in its name"),
        (without_anchors, InvalidTrustBundle, r"root\.crt: No such file"),
    ],
)
def test_what_can_only_be_a_mistake_is_one_at_the_start(
    tmp_path: Path, spoil: Callable[[Path], None], kind: type[Exception], why: str
) -> None:
    Proxy(tmp_path)
    spoil(tmp_path)
    with pytest.raises(kind, match=why):
        RenewedCertificate(
            NOWHERE,
            tmp_path / "token",
            tmp_path / "root.crt",
            control_namespace="jackstay",
            trust_domain="cluster.local",
            alpn=ALPN,
        )


async def test_revocation_lists_are_followed_beside_the_anchors(tmp_path: Path, service: Service) -> None:
    lists, api = tmp_path / "lists.pem", PKI.leaf("api.test")
    lists.write_bytes(crl(PKI.root) + crl(PKI.issuer))
    proxy = Proxy(tmp_path, service.server.address, crl=lists)
    async with proxy.following() as said:
        await proxy.source.first()
        before = proxy.source.generation()
        before.chains.verify(api.chain, role="client", at=PKI.now)
        lists.write_bytes(crl(PKI.root) + crl(PKI.issuer, revoked(api)))
        await until(lambda: len(proxy.generations) == 2, "the new lists")
        after = proxy.source.generation()
        with pytest.raises(Revoked):
            after.chains.verify(api.chain, role="client", at=PKI.now)
        assert after.credentials is before.credentials
        lists.unlink()
        await until(lambda: len(proxy.generations) == 3, "the refusal")
        with pytest.raises(Untrusted, match="cannot be read"):
            proxy.source.generation().chains.verify(PKI.leaf("x.test").chain, role="client", at=PKI.now)
        assert lines(said, "crl.unusable")
        lists.write_bytes(crl(PKI.root) + crl(PKI.issuer))
        await until(lambda: len(proxy.generations) == 4, "the lists again")
        proxy.source.generation().chains.verify(api.chain, role="client", at=PKI.now)


async def test_a_revoked_identity_service_is_told_no_token(tmp_path: Path, service: Service) -> None:
    lists = tmp_path / "lists.pem"
    lists.write_bytes(crl(PKI.root, PKI.issuer.certificate.serial_number) + crl(PKI.issuer))
    proxy = Proxy(tmp_path, service.server.address, crl=lists)
    async with proxy.following() as said:
        await until(lambda: proxy.refusals > 0, "the refusal")
        (awaited,) = lines(said, "certificate.awaited")
        assert "is revoked by CN=root.jackstay.test" in awaited["error"]
        assert service.requests == []
