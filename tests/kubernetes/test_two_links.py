"""Two Links that lead to the same cluster, or say that they do."""

from cluster.kinds import LINK, SERVICE
from tests.kubernetes.whole import mirrored, stands, synced
from tests.support.clusters import World, until


async def uids(at: World) -> dict[str, str]:
    found = (await at.west.api.list(SERVICE, namespace="test")).items
    return {raw["metadata"]["name"]: raw["metadata"]["uid"] for raw in found}


async def test_a_service_may_be_mirrored_under_two_names(at: World) -> None:
    await at.east.service()
    await at.link("east")
    await at.link("orient")
    async with at.mirroring():
        await until(lambda: uids(at), lambda found: set(found) == {"podinfo-east", "podinfo-orient"})
        await at.west.api.delete(LINK, "jackstay", "orient")
        await until(lambda: uids(at), lambda found: set(found) == {"podinfo-east"})
        await synced(at)


async def test_of_two_with_the_same_name_the_first_has_the_mirrors_and_the_second_follows_it(
    at: World,
) -> None:
    await at.east.service()
    await at.link("east")
    async with at.mirroring():
        await mirrored(at)
        before = await uids(at)
        await at.link("other", targetClusterName="east")
        await stands(at, "Synced", "False", "Conflict", link="other")
        await synced(at)
        assert await uids(at) == before
        await at.west.api.delete(LINK, "jackstay", "east")
        await stands(at, "Synced", "True", "Synced", link="other")
        assert set(await uids(at)) == {"podinfo-east"}
