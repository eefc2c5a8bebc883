"""What `jackstay install` lets the mirror do, here and over there, is enough, and each of it is needed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cli.install.rights import MIRROR_ACCOUNT, NAMESPACE_MAKER, REMOTE_ACCOUNT, Account, Right
from cluster.client import Cluster
from cluster.kinds import EVENT, LEASE, LINK, NAMESPACE, SERVICE
from mirror import marks
from tests.support.cluster import local_cluster
from tests.support.clusters import until
from tests.support.definitions import defined
from tests.support.mirror_life import born
from tests.support.real_api import HOW_TO_GET_THEM, assets
from tests.support.rights import Guarded, guarded, lacking, make


@pytest.fixture(scope="module", name="server")
def with_rbac(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    binaries = assets()
    if binaries is None:
        pytest.skip(HOW_TO_GET_THEM)
    with guarded(binaries, Path(tmp_path_factory.mktemp("rbac"))) as server:
        yield server


@pytest.fixture(name="admin")
async def administrator(server: Guarded) -> AsyncIterator[Cluster]:
    await server.real.ready()
    async with Cluster(server.real.access) as admin:
        await defined(admin)
        yield admin


async def test_the_rights_are_enough(admin: Cluster, server: Guarded) -> None:
    life = await born(admin, MIRROR_ACCOUNT, REMOTE_ACCOUNT)
    await life.live()
    assert server.refused(life.home) == []


CASES = [
    (account, right, verb)
    for account in (MIRROR_ACCOUNT, REMOTE_ACCOUNT)
    for right in (*account.everywhere, *account.at_home)
    for verb in right.verbs
]
UNTOLD = (
    (LINK, "", "list"),  # nobody knows the Link
    (LINK, "status", "patch"),
)
"""What no Link's status can tell of; nor does it of Leases and Events, which are no matter of a Link."""


def resource(right: Right) -> str:
    return f"{right.kind.plural}/{right.subresource}" if right.subresource else right.kind.plural


@pytest.mark.parametrize(
    ("account", "right", "verb"),
    [pytest.param(*case, id=f"{case[0].name}-{case[2]}-{resource(case[1])}") for case in CASES],
)
async def test_each_right_is_needed_and_named_where_it_is_missing(
    admin: Cluster, account: Account, right: Right, verb: str
) -> None:
    mirror, remote = (
        lacking(one, right, verb) if one is account else one for one in (MIRROR_ACCOUNT, REMOTE_ACCOUNT)
    )
    with capture_logs() as logs:
        life = await born(admin, mirror, remote, between=lambda: rest())
        sentence = (
            f'User "system:serviceaccount:{life.home}:{account.name}" '
            f'cannot {verb} resource "{resource(right)}"'
        )

        async def in_the_log() -> bool:
            return any(sentence in str(line) for line in logs if line["log_level"] == "warning")

        async def in_the_status() -> bool:
            return sentence in str(await life.status())

        async def rest() -> None:
            if await in_the_log():
                await asyncio.Event().wait()

        living = asyncio.create_task(life.live())
        named = asyncio.create_task(until(in_the_log, bool, seconds=20))
        try:
            await asyncio.wait([living, named], return_when=asyncio.FIRST_COMPLETED)
            assert await in_the_log(), f"not in the log: {sentence}"
            if right.kind not in (LEASE, EVENT) and (right.kind, right.subresource, verb) not in UNTOLD:
                await until(in_the_status, bool)
        finally:
            living.cancel()
            named.cancel()
            await asyncio.wait([living, named])
            await life.clear()


@pytest.mark.parametrize("account", [NAMESPACE_MAKER, MIRROR_ACCOUNT], ids=["may", "may-not"])
async def test_who_is_to_make_namespaces_needs_the_right_to(
    admin: Cluster, server: Guarded, account: Account
) -> None:
    life = await born(admin, account, REMOTE_ACCOUNT)
    new = f"{life.home}-new"
    async with local_cluster() as other, Cluster(other.access) as over_there:
        life.remote = other.access
        await make(over_there, NAMESPACE, new)
        ports = [{"name": "http", "port": 80}]
        await make(over_there, SERVICE, "podinfo", new, {marks.EXPORTED: life.home}, spec={"ports": ports})
        async with life.mirroring(create_namespaces=True):
            await life.link()
            if account is NAMESPACE_MAKER:
                await until(lambda: life.condition("Synced"), lambda found: found == ("True", "Synced"))
                assert await life.find(SERVICE, "podinfo-east", new)
                assert server.refused(life.home) == []
            else:
                missing = 'cannot create resource "namespaces"'
                await until(life.status, lambda found: missing in str(found))
                assert missing in str(server.refused(life.home))
        await life.clear()
