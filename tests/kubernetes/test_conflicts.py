"""What stands in the mirror's way, or has lost its marks."""

import pytest
from structlog.testing import capture_logs

from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, LINK, SERVICE
from mirror import marks
from tests.kubernetes.whole import ALIVE, mirrored, occasion, reachable, stands, synced
from tests.support.clusters import World, until


async def test_a_service_of_the_users_is_a_conflict_and_is_not_touched(at: World) -> None:
    theirs = await at.west.make(SERVICE, "podinfo-east", spec={"ports": [{"port": 80}]})
    await at.link()
    await at.east.service()
    await at.east.service("web")
    async with at.mirroring():
        await until(lambda: at.mirror("web-east"), lambda found: found is not None)
        status = await until(at.status, lambda found: len(found.get("mirrorServices", [])) == 2)
        condition = status["mirrorServices"][0]["conditions"][0]
        assert (condition["status"], condition["reason"]) == ("False", "Conflict")
        await stands(at, "Synced", "False", "Conflict")
        assert await at.west.find(SERVICE, "podinfo-east") == theirs
        await at.east.export(exported=False)
        await until(at.status, lambda found: len(found["mirrorServices"]) == 1)
        await synced(at)
        assert await at.west.find(SERVICE, "podinfo-east") == theirs


async def test_endpoints_without_our_labels_are_a_conflict_that_deletes_nothing(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        before = await mirrored(at)
        await synced(at)
        unlabelled = {"metadata": {"labels": {marks.LINK_UID: None, marks.MIRRORED_SERVICE: None}}}
        await at.west.api.patch(ENDPOINTS, "test", "podinfo-east", unlabelled)
        await stands(at, "Synced", "False", "Conflict")
        after = await at.mirror()
        assert after is not None
        assert after.metadata.uid == before.metadata.uid
        assert await at.west.addresses() == ALIVE
        await at.west.api.delete(ENDPOINTS, "test", "podinfo-east")
        await synced(at)
        assert await at.west.addresses() == ALIVE


async def test_a_conflict_is_told_once_when_it_begins_and_when_it_ends_and_is_counted(
    at: World, looks: list[float]
) -> None:
    await at.west.make(SERVICE, "podinfo-east", spec={"ports": [{"port": 80}]})
    await at.link()
    await at.east.service()
    with capture_logs() as told:
        async with at.mirroring():
            await stands(at, "Synced", "False", "Conflict")
            assert (unmirrored(at, "Conflict"), reachable(at)) == (1.0, 1.0)
            await occasion(at, looks, "something-new")
            await at.west.api.delete(SERVICE, "test", "podinfo-east")
            await synced(at)
            assert unmirrored(at, "Conflict") == 0.0
    lines = [
        (line["log_level"], line["event"], line["link"], line["service"], line.get("because"))
        for line in told
        if line["event"].startswith("mirror.conflict")
    ]
    why = "Service test/podinfo-east exists and was not made by Link east"
    assert lines == [
        ("warning", "mirror.conflict", "east", "test/podinfo", why),
        ("info", "mirror.conflict_over", "east", "test/podinfo", None),
    ]


def unmirrored(at: World, reason: str) -> float | None:
    labels = {"target_cluster_name": "east", "reason": reason}
    return at.registry.get_sample_value("mirror_unmirrored_services", labels)


@pytest.mark.parametrize("label", [marks.SLICE_MANAGER, marks.LINK_UID])
async def test_a_slice_that_lost_a_label_is_mended(at: World, label: str) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
        await synced(at)
        name = "podinfo-east-ipv4"
        await at.west.api.patch(ENDPOINT_SLICE, "test", name, {"metadata": {"labels": {label: None}}})
        await until(
            lambda: at.west.find(ENDPOINT_SLICE, name),
            lambda found: found is not None and label in found["metadata"]["labels"],
        )
        await at.west.api.delete(LINK, "jackstay", "east")
        await until(lambda: at.west.find(LINK, "east", "jackstay"), lambda found: found is None)
        assert await at.west.find(ENDPOINT_SLICE, name) is None
