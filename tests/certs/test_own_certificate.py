"""The service's own certificate: renewed in time, and at once when the issuer is another."""

import asyncio
from datetime import datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from certs.authority import Authority, make_issuer
from certs.credentials import Credentials
from certs.current_issuer import CurrentIssuer, Material
from certs.issuer import Settings
from certs.own_certificate import due_at, follow_issuer
from tests.support.pki import Pki
from tests.support.vouching import Told

PKI = Pki.make()
NEWER = make_issuer("newer", PKI.root, now=PKI.now)


class Following:
    """Follows an issuer, and keeps what was to be shown."""

    def __init__(self) -> None:
        self.shown: asyncio.Queue[Credentials] = asyncio.Queue()
        self.now: datetime = PKI.now
        self.looks = 0
        self.bell = asyncio.Event()
        self.issuer = CurrentIssuer(
            PKI.bundle,
            Settings("jackstay", PKI.trust_domain),
            Told(),
            CollectorRegistry(),
            changed=self.bell.set,
            now=lambda: self.now,
        )
        self._task: asyncio.Task[None] | None = None

    def offer(self, authority: Authority) -> None:
        self.issuer.offer(Material(authority.pem, authority.key_pem, "test"))

    async def __aenter__(self) -> "Following":
        self._task = asyncio.create_task(
            follow_issuer(
                self.issuer, self.bell, self.shown.put_nowait, shortest=0.01, longest=0.02, now=self._look
            )
        )
        return self

    def _look(self) -> datetime:
        self.looks += 1
        return self.now

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])
        assert self._task.cancelled()


@pytest.fixture(name="following")
async def a_following() -> Following:
    return Following()


async def test_a_new_issuer_makes_a_new_certificate_at_once(following: Following) -> None:
    following.offer(PKI.issuer)
    async with following:
        first = await following.shown.get()
        assert first.chain[1] == PKI.issuer.certificate
        following.offer(NEWER)
        second = await following.shown.get()
        assert second.chain[1] == NEWER.certificate
        assert second.key_pem != first.key_pem
        assert following.shown.empty()


async def test_the_first_issuer_may_come_late(following: Following) -> None:
    async with following:
        await asyncio.sleep(0)
        assert following.shown.empty()
        following.offer(PKI.issuer)
        assert (await following.shown.get()).identity.startswith("jackstay-identity.jackstay.")


async def test_it_is_renewed_when_seven_tenths_of_its_life_are_over(following: Following) -> None:
    following.offer(PKI.issuer)
    async with following:
        first = await following.shown.get()
        looks = following.looks
        following.now = PKI.now + timedelta(hours=16, minutes=47)
        while following.looks < looks + 3:  # noqa: ASYNC110 - nothing tells that nothing is due
            await asyncio.sleep(0.01)
        assert following.shown.empty()
        following.now = PKI.now + timedelta(hours=20)
        second = await following.shown.get()
        assert second.not_after == first.not_after + timedelta(hours=20)


async def test_while_nothing_can_be_issued_the_last_one_stays(following: Following) -> None:
    following.offer(PKI.issuer)
    async with following:
        await following.shown.get()
        following.issuer.trust(Pki.make().bundle)
        await asyncio.sleep(0)
        following.issuer.trust(PKI.bundle)
        assert (await following.shown.get()).chain[1] == PKI.issuer.certificate


def test_when_it_is_due() -> None:
    made = datetime(2026, 1, 1)  # noqa: DTZ001 - any time
    assert due_at(made, made + timedelta(hours=10)) == made + timedelta(hours=7)
    assert due_at(made, made) == made
