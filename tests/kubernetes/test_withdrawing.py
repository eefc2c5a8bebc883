"""What is withdrawn over there goes here: at once, or after a second look; and what keeps it."""

import asyncio
from typing import Any

import pytest

from cluster.client import Cluster, Listing
from cluster.errors import Forbidden
from cluster.kinds import LEASE, LINK, SECRET, SERVICE, Kind
from cluster.local import LocalCluster
from mirror import marks, withdrawal
from tests.kubernetes.whole import ALIVE, AT_ONCE, EMPTY, answer, mirrored, occasion, stands, synced
from tests.support.cluster import local_cluster
from tests.support.clusters import World, kubeconfig, until


async def test_what_went_while_nobody_looked_takes_no_connections_and_waits_for_a_second_look(
    at: World,
) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
    await at.east.api.delete(SERVICE, "test", "podinfo")
    async with at.mirroring():
        await until(at.west.addresses, lambda found: found == EMPTY)
        await stands(at, "Synced", "False", "DeletionsWithheld")
        assert await at.mirror() is not None


async def test_a_second_look_that_lacks_it_too_deletes_it(at: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(withdrawal, "SECOND_LOOK", 0.3)
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
    await at.east.api.delete(SERVICE, "test", "podinfo")
    async with at.mirroring():
        await stands(at, "Synced", "False", "DeletionsWithheld")
        await until(at.mirror, lambda found: found is None)
        await synced(at)


@pytest.mark.parametrize("lost", ["credentials", "lease"])
async def test_a_second_look_that_cannot_be_taken_is_waited_for_without_looking(
    at: World, monkeypatch: pytest.MonkeyPatch, looks: list[float], lost: str
) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
    await at.east.api.delete(SERVICE, "test", "podinfo")
    async with at.mirroring() as controller:
        await stands(at, "Synced", "False", "DeletionsWithheld")
        if lost == "credentials":
            await at.west.api.delete(SECRET, "jackstay", "cluster-credentials-east")
            await stands(at, "CredentialsValid", "False")
        else:
            spec = {"holderIdentity": "another", "leaseDurationSeconds": 3600}
            await at.west.api.patch(LEASE, "jackstay", "jackstay-mirror", {"spec": spec})
            await until(lambda: answer(controller.leadership.ours), lambda ours: not ours)
        monkeypatch.setattr(withdrawal, "SECOND_LOOK", AT_ONCE)  # from now on it is due
        await occasion(at, looks, "new")
        before, asked = len(looks), len(at.gateways.asked)
        await until(lambda: answer(len(at.gateways.asked)), lambda count: count > asked + 20)
        assert len(looks) - before < 5


async def test_a_second_look_that_takes_long_is_waited_for(
    at: World, monkeypatch: pytest.MonkeyPatch, looks: list[float]
) -> None:
    """Longer than there has to be between the two looks: what is begun anew each time never ends."""
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
    await at.east.api.delete(SERVICE, "test", "podinfo")
    list_all, running, ended, begun = Cluster.list, asyncio.Event(), asyncio.Event(), 0

    async def slowly(self: Cluster, kind: Kind, **selected: Any) -> Listing:
        nonlocal begun
        if self.access.name == "east" and kind == SERVICE and withdrawal.SECOND_LOOK == AT_ONCE:
            begun += 1
            running.set()
            await ended.wait()
        return await list_all(self, kind, **selected)

    monkeypatch.setattr(Cluster, "list", slowly)
    async with at.mirroring():
        await stands(at, "Synced", "False", "DeletionsWithheld")
        monkeypatch.setattr(withdrawal, "SECOND_LOOK", AT_ONCE)
        await at.west.namespace("new")
        await asyncio.wait_for(running.wait(), 10)
        for name in ("one", "two", "three"):  # each makes a pass that finds the second look due
            await occasion(at, looks, name)
        assert begun == 1
        ended.set()
        await until(at.mirror, lambda found: found is None)
        await at.east.service("later")
        await until(lambda: at.west.addresses("later-east"), lambda found: found == ALIVE)


async def test_what_cannot_be_deleted_is_told_and_takes_no_connections(
    at: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
        await synced(at)

        async def forbidden(*args: Any, **more: Any) -> None:
            raise Forbidden("west: delete services test/podinfo-east: 403")

        with monkeypatch.context() as patched:
            patched.setattr(at.west.api, "delete", forbidden)
            await at.east.export(exported=False)
            await until(at.west.addresses, lambda found: found == EMPTY)
            await stands(at, "Synced", "False", "DeletionFailed")
            assert await at.mirror() is not None
        await until(at.mirror, lambda found: found is None)
        await synced(at)


async def test_a_mirror_made_from_a_later_state_is_kept_and_that_is_told(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
    later = {"metadata": {"annotations": {marks.REMOTE_VERSION: "999999"}}}
    await at.west.api.patch(SERVICE, "test", "podinfo-east", later)
    await at.east.api.delete(SERVICE, "test", "podinfo")
    async with at.mirroring():
        await until(at.west.addresses, lambda found: found == EMPTY)
        await stands(at, "Synced", "False", "DeletionsWithheld")
        messages = {each["type"]: each["message"] for each in (await at.status())["conditions"]}
        assert "1 mirror is kept until the other cluster shows a later state" in messages["Synced"]


async def test_another_cluster_behind_the_same_link_deletes_nothing_until_that_is_meant(
    at: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
        async with local_cluster("elsewhere") as elsewhere:
            assert isinstance(elsewhere, LocalCluster)
            data = {"data": kubeconfig(elsewhere.kubeconfig)}
            await at.west.api.patch(SECRET, "jackstay", "cluster-credentials-east", data)
            await stands(at, "Synced", "False", "ClusterReplaced")
            assert await at.mirror() is not None
            assert await at.west.addresses() == ALIVE
            messages = {each["type"]: each["message"] for each in (await at.status())["conditions"]}
            cure = f"kubectl annotate links.multicluster.linkerd.io -n jackstay east {marks.REMOTE_UID}-"
            assert messages["Synced"].endswith(cure)
            monkeypatch.setattr(withdrawal, "SECOND_LOOK", AT_ONCE)
            meant = {"metadata": {"annotations": {marks.REMOTE_UID: None}}}
            await at.west.api.patch(LINK, "jackstay", "east", meant)
            await until(at.mirror, lambda found: found is None)
            await synced(at)
