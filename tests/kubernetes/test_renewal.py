"""The token of a Link is renewed in time, tried before it is written, and kept when that fails."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from cluster.access import Access
from cluster.kinds import SECRET, SERVICE_ACCOUNT
from cluster.kubeconfig import render, strict
from cluster.objects import Key, Secret
from mirror.renewal import Renewal
from mirror.token import lifetime
from tests.support.clusters import World, kubeconfig, until

ACCOUNT = "jackstay-remote-access"
NAME = Key("jackstay", "cluster-credentials-east")


@dataclass
class Kept:
    """The Secret in west with a token of ten minutes for east, and who renews it."""

    at: World
    access: Access
    secrets: dict[Key, Secret] = field(default_factory=dict)
    leads: bool = True
    age: timedelta = timedelta()

    async def look(self) -> Secret:
        """The Secret as it is now, as the watch would show it."""
        secret = Secret.from_dict(await self.at.west.api.get(SECRET, *NAME))
        self.secrets[NAME] = secret
        return secret

    async def token(self) -> str | None:
        return strict((await self.look()).data["kubeconfig"], allow_loopback=True).token

    def _now(self) -> datetime:
        return datetime.now(UTC) + self.age

    def _secrets(self) -> Mapping[Key, Secret]:
        return self.secrets

    @asynccontextmanager
    async def renewing(self) -> AsyncIterator[Renewal]:
        renewal = Renewal(
            access=self.access,
            secret=NAME,
            secrets=self._secrets,
            home=self.at.west.api,
            may_write=lambda: self.leads,
            now=self._now,
            look=0.02,
        )
        task = asyncio.create_task(renewal.run())
        try:
            yield renewal
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.fixture(name="kept")
async def ten_minutes(at: World) -> Kept:
    await at.east.make(SERVICE_ACCOUNT, ACCOUNT, "jackstay")
    made = await at.east.api.create_token("jackstay", ACCOUNT, seconds=600)
    server = at.east.access
    content = render(server.server, server.ca_data, made.token, user=ACCOUNT, cluster="east")
    await at.west.make(SECRET, NAME.name, NAME.namespace, data=kubeconfig(content))
    kept = Kept(at, strict(content, allow_loopback=True))
    await kept.look()
    return kept


def _of(logs: list[Any]) -> Callable[[], Awaitable[list[Any]]]:
    async def look() -> list[Any]:
        return logs

    return look


async def test_nothing_happens_before_half_its_life_is_over(kept: Kept) -> None:
    kept.age = timedelta(minutes=4, seconds=50)
    before = (await kept.look()).metadata.resource_version
    async with kept.renewing():
        await asyncio.sleep(0.2)  # time enough for ten looks at the clock
    assert (await kept.look()).metadata.resource_version == before


async def test_after_half_its_life_there_is_another_and_it_is_taken(kept: Kept) -> None:
    kept.age = timedelta(minutes=5, seconds=1)
    with capture_logs() as logs:
        async with kept.renewing():
            fresh = await until(kept.token, lambda found: found != kept.access.token)
    assert fresh is not None
    found = lifetime(fresh)
    assert found is not None
    assert (found.namespace, found.service_account) == ("jackstay", ACCOUNT)
    assert found.left(datetime.now(UTC)) > timedelta(days=29)
    reviewed = await kept.at.east.api.review_token(fresh)
    assert reviewed.authenticated
    (line,) = [entry for entry in logs if entry["event"] == "token.renewed"]
    assert line["secret"] == str(NAME)
    assert fresh not in str(logs)


async def test_who_does_not_lead_renews_nothing_until_it_does(kept: Kept) -> None:
    kept.age, kept.leads = timedelta(minutes=6), False
    async with kept.renewing():
        await asyncio.sleep(0.2)
        assert await kept.token() == kept.access.token
        kept.leads = True
        await until(kept.token, lambda found: found != kept.access.token)


async def test_a_token_that_cannot_be_had_leaves_the_old_one_and_says_so(kept: Kept) -> None:
    kept.age = timedelta(minutes=6)
    await kept.at.east.api.delete(SERVICE_ACCOUNT, "jackstay", ACCOUNT)
    with capture_logs() as logs:
        async with kept.renewing():
            await until(_of(logs), bool)
    assert logs[0]["event"] == "token.kept"
    assert "Unauthorized" in logs[0]["because"]
    assert await kept.token() == kept.access.token


async def test_a_secret_that_somebody_has_changed_meanwhile_is_not_written_over(kept: Kept) -> None:
    kept.age = timedelta(minutes=6)
    await kept.at.west.api.patch(SECRET, *NAME, {"metadata": {"labels": {"by": "hand"}}})
    with capture_logs() as logs:
        async with kept.renewing():
            await until(_of(logs), bool)
    assert logs[0]["event"] == "token.kept"
    assert "Conflict" in logs[0]["because"]
    assert await kept.token() == kept.access.token


async def test_credentials_without_an_end_are_left_alone(kept: Kept) -> None:
    kept.access = strict(kept.at.east.kubeconfig, allow_loopback=True)
    kept.age = timedelta(days=4000)
    with capture_logs() as logs:
        async with kept.renewing() as renewal:
            assert renewal.lifetime is None
            await asyncio.sleep(0.1)
    assert logs == []
