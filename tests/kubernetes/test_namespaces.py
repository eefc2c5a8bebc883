"""A mirror whose namespace is missing here waits for it, or makes it where that is asked for."""

from dataclasses import replace

from cluster.kinds import NAMESPACE, SERVICE
from mirror import marks
from tests.kubernetes.whole import mirrored, stands, synced
from tests.support.clusters import QUICK, World


async def test_a_mirror_waits_until_somebody_makes_its_namespace(at: World) -> None:
    await at.east.namespace("web")
    await at.east.service(namespace="web")
    await at.link()
    async with at.mirroring():
        await stands(at, "Synced", "False", "NotMirrored")
        await at.west.namespace("web")
        await synced(at)


async def test_a_mirror_makes_it_where_that_is_asked_for(at: World) -> None:
    await at.east.namespace("web")
    for name in ("one", "two", "three"):
        await at.east.service(name, namespace="web")
    await at.link()
    async with at.mirroring(replace(QUICK, create_namespaces=True)):
        await synced(at)
    made = await at.west.api.get(NAMESPACE, None, "web")
    assert made["metadata"]["labels"][marks.CLUSTER_NAME] == "east"
    names = [raw["metadata"]["name"] for raw in (await at.west.api.list(SERVICE, namespace="web")).items]
    assert sorted(names) == ["one-east", "three-east", "two-east"]


async def test_a_link_that_lists_namespaces_makes_no_others(at: World) -> None:
    await at.east.namespace("web")
    await at.east.service(namespace="web")
    await at.east.service()
    await at.link(annotations={marks.NAMESPACES: "test"})
    async with at.mirroring(replace(QUICK, create_namespaces=True)):
        await mirrored(at)
        await synced(at)
    names = [raw["metadata"]["name"] for raw in (await at.west.api.list(NAMESPACE)).items]
    assert "web" not in names
