"""The mirror tells both clusters what happens, by Events."""

from cluster.event_objects import Event
from cluster.kinds import EVENT, LINK
from tests.kubernetes.whole import mirrored, stands, synced
from tests.support.clusters import GATEWAY, Site, World, until


async def reasons(site: Site, about: str, namespace: str | None = None) -> list[str]:
    """What Events say about the objects of that name, as `Normal Synced`, in the order they happened."""
    events = [Event.from_dict(raw) for raw in (await site.api.list(EVENT, namespace=namespace)).items]
    ours = ("jackstay-", "linkerd-")  # a real API server tells of its own, too
    found = [one for one in events if one.involved.name == about and one.component.startswith(ours)]
    found.sort(key=lambda event: int(event.metadata.resource_version))
    return [f"{'Warning' if event.warning else 'Normal'} {event.reason}" for event in found]


async def test_a_link_tells_what_becomes_of_its_gateway(at: World) -> None:
    await at.east.service()
    await at.link()
    async with at.mirroring():
        await mirrored(at)
        await synced(at)
        await until(
            lambda: reasons(at.west, "east"),
            lambda found: {"Normal GatewayAlive", "Normal RemoteReachable", "Normal Synced"} <= {*found},
        )
        at.gateways.alive.clear()
        await until(lambda: reasons(at.west, "east"), lambda found: "Warning GatewayDead" in found)
        at.gateways.alive.add(GATEWAY)
        await stands(at, "GatewayAlive", "True")
        # It is known already, and counts up.
        await until(lambda: counted(at.west, "GatewayAlive"), lambda count: count == 2, seconds=20)


async def counted(site: Site, reason: str) -> int:
    events = [Event.from_dict(raw) for raw in (await site.api.list(EVENT)).items]
    return sum(event.count for event in events if event.reason == reason)


async def test_whoever_exports_is_told_that_there_is_no_namespace_for_it(at: World) -> None:
    await at.east.namespace("web")
    made = await at.east.service(namespace="web")
    await at.link()
    async with at.mirroring():
        found = await until(lambda: reasons(at.east, "podinfo", "web"), bool)
        assert found == ["Normal ServiceMirroringSkipped"]
        events = [Event.from_dict(raw) for raw in (await at.east.api.list(EVENT, namespace="web")).items]
        [event] = [one for one in events if one.component == "linkerd-service-mirror-east"]
        assert event.message == "Skipped mirroring service: namespace does not exist"
        assert event.involved.uid == made["metadata"]["uid"]


async def test_a_conflict_is_told_on_both_sides(at: World) -> None:
    await at.west.service("podinfo-east", exported=False)
    await at.east.service()
    await at.link()
    async with at.mirroring():
        await until(lambda: reasons(at.west, "east"), lambda found: "Warning MirrorConflict" in found)
        await until(
            lambda: reasons(at.east, "podinfo"), lambda found: "Normal ServiceMirroringSkipped" in found
        )


async def test_a_second_controller_tells_nothing_again_of_a_link_that_stays_as_it_is(at: World) -> None:
    await at.east.service()
    await at.link()
    async with at.mirroring():
        await mirrored(at)
        await synced(at)
        before = await until(lambda: reasons(at.west, "east"), lambda found: "Normal Synced" in found)
    async with at.mirroring():
        await at.east.export(exported=False)
        await until(at.mirror, lambda found: found is None)
        assert await reasons(at.west, "east") == before
    assert (await at.west.api.list(LINK)).items
