"""An exported Service that lets nobody in by mistake is told of, in either cluster."""

from typing import Any

from structlog.testing import capture_logs

from cluster.kinds import SERVICE
from mirror import marks
from tests.kubernetes.whole import answer, synced
from tests.support.clusters import Site, World, until

VALID = "web.test.serviceaccount.identity.jackstay.cluster.local"


async def test_both_clusters_and_the_link_tell_of_it(at: World) -> None:
    await at.link()
    await at.east.service()
    await at.west.service("here")
    with capture_logs() as lines:
        async with at.mirroring():
            await synced(at)
            assert await message(at) == "1 service is mirrored"
            await allow(at.east, "podinfo", "web/test")
            await allow(at.west, "here", "web/test")
            await until(lambda: message(at), lambda found: "lets nobody in: test/podinfo: " in found)
            await until(lambda: answer(shut(lines)), lambda found: len(found) == 2)
            assert shut(lines) == [("", "test/here"), ("east", "test/podinfo")]
            (entry,) = (await at.status())["mirrorServices"]
            (condition,) = entry["conditions"]
            assert (condition["status"], condition["reason"]) == ("True", "Mirrored")
            assert "'web/test' is no identity" in condition["message"]
            await allow(at.east, "podinfo", VALID)
            await until(lambda: message(at), lambda found: found == "1 service is mirrored")


def shut(lines: Any) -> list[tuple[str, str]]:
    """The Link and the Service of each warning."""
    return sorted((line.get("link", ""), line["service"]) for line in lines if line["event"] == "export.shut")


async def allow(site: Site, name: str, value: str) -> None:
    await site.api.patch(
        SERVICE, "test", name, {"metadata": {"annotations": {marks.ALLOW_IDENTITIES: value}}}
    )


async def message(at: World) -> str:
    """What the condition Synced says."""
    conditions = (await at.status()).get("conditions", ())
    return next((found["message"] for found in conditions if found["type"] == "Synced"), "")
