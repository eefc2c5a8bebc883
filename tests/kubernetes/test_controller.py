"""The mirror as a whole, between two API servers and with our own client; only the gateway is a fake."""

from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, SERVICE
from cluster.metadata import Raw
from mirror import marks
from process.address import is_ip
from tests.kubernetes.whole import ALIVE, EMPTY, answer, mirrored, mirrors, stands, synced, versions
from tests.support.clusters import World, until


async def test_an_exported_service_is_mirrored_and_goes_when_it_is_exported_no_more(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        mirror = await mirrored(at)
        assert mirror.metadata.annotations[marks.REMOTE_NAME] == "podinfo.test.svc.cluster.local"
        assert is_ip(mirror.cluster_ip)
        await synced(at)
        status = await at.status()
        assert status["gateway"]["alive"] is True
        assert status["gateway"]["services"] == 1
        assert status["mirrorServices"][0]["remoteRef"]["name"] == "podinfo"
        await at.east.export(exported=False)
        await until(at.mirror, lambda found: found is None)
        await until(at.west.addresses, lambda found: found is None)
        await until(
            at.status, lambda found: found["gateway"]["services"] == 0 and not found["mirrorServices"]
        )


async def test_a_service_deleted_over_there_takes_its_mirror_with_it(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
        await at.east.api.delete(SERVICE, "test", "podinfo")
        await until(at.mirror, lambda found: found is None)


async def test_what_is_deleted_by_hand_comes_back(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        before = await mirrored(at)
        await at.west.api.delete(SERVICE, "test", "podinfo-east")
        back = await until(at.mirror, lambda found: found is not None)
        assert back is not None
        assert back.metadata.uid != before.metadata.uid
        await until(at.west.addresses, lambda found: found == ALIVE)
        await at.west.api.delete(ENDPOINTS, "test", "podinfo-east")
        await until(at.west.addresses, lambda found: found == ALIVE)
        await until(lambda: a_slice(at), lambda found: found is not None)
        await at.west.api.delete(ENDPOINT_SLICE, "test", "podinfo-east-ipv4")
        await until(lambda: a_slice(at), lambda found: found is not None)


async def a_slice(at: World) -> Raw | None:
    return await at.west.find(ENDPOINT_SLICE, "podinfo-east-ipv4")


async def test_what_is_edited_by_hand_is_mended(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        before = await mirrored(at)
        change: Raw = {
            "metadata": {
                "labels": {"app": "other", marks.MIRRORED_SERVICE: None},
                "annotations": {"note": "x"},
            },
            "spec": {"selector": {"app": "evil"}, "ports": [{"port": 1}]},
        }
        await at.west.api.patch(SERVICE, "test", "podinfo-east", change)
        await at.west.api.patch(ENDPOINTS, "test", "podinfo-east", {"subsets": []})
        await until(
            at.mirror,
            lambda found: (
                found is not None
                and (found.ports, found.selector, found.metadata.labels, found.metadata.annotations)
                == (before.ports, {}, before.metadata.labels, before.metadata.annotations)
            ),
        )
        await until(at.west.addresses, lambda found: found == ALIVE)


async def test_a_service_without_ready_endpoints_has_none_here(at: World) -> None:
    await at.link()
    await at.east.service(ready=False)
    async with at.mirroring():
        await until(at.west.addresses, lambda found: found == EMPTY)
        await at.east.ready(ready=True)
        await until(at.west.addresses, lambda found: found == ALIVE)
        await at.east.ready(ready=False)
        await until(at.west.addresses, lambda found: found == EMPTY)


async def test_after_a_restart_nothing_is_written_if_nothing_has_changed(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
        await synced(at)
    before = await versions(at)
    asked = len(at.gateways.asked)
    async with at.mirroring():
        await until(lambda: answer(len(at.gateways.asked)), lambda count: count > asked + 8)
        assert await versions(at) == before


async def test_many_services_are_mirrored_and_all_go_again(at: World) -> None:
    names = [f"service-{number:03}" for number in range(60)]
    for name in names:
        await at.east.service(name)
    await at.link()
    async with at.mirroring():
        await stands(at, "Synced", "True", seconds=20)
        listing = await at.west.api.list(SERVICE, namespace="test")
        assert len(listing.items) == 60
        for name in names:
            await at.east.export(name, exported=False)
        await until(lambda: mirrors(at), lambda count: count == 0)


async def test_a_mirror_is_made_in_three_writes_and_then_none(at: World) -> None:
    for number in range(10):
        await at.east.service(f"web-{number}")
    await at.link()
    async with at.mirroring():
        await synced(at)
        assert await at.west.addresses("web-0-east") == ALIVE
        written = [
            sample.value
            for family in at.registry.collect()
            for sample in family.samples
            if sample.name == "mirror_writes_total"
        ]
        assert sum(written) == 30
