"""The mirror as a whole, between two API servers and with our own client; only the gateway is a fake."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import pytest
from structlog.testing import capture_logs

from cluster.client import Cluster, Listing
from cluster.errors import Forbidden
from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, LEASE, LINK, NAMESPACE, SECRET, SERVICE, Kind
from cluster.kubeconfig import render
from cluster.local import LocalCluster
from cluster.metadata import Raw
from cluster.objects import Service
from mirror import marks, withdrawal
from mirror.credentials import access
from mirror.gateway_addresses import Unresolved
from mirror.link_object import LinkObject
from tests.support.cluster import local_cluster
from tests.support.clusters import GATEWAY, QUICK, Site, World, kubeconfig, until, world

T = TypeVar("T")

ALIVE: tuple[list[str], list[str]] = ([GATEWAY], [])
DEAD: tuple[list[str], list[str]] = ([], [GATEWAY])
EMPTY: tuple[list[str], list[str]] = ([], [])

AT_ONCE = 1e-6
"""Seconds to a second look, where a test wants it now."""


@pytest.fixture(name="at")
async def two_clusters() -> AsyncIterator[World]:
    async with world() as made:
        yield made


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When workers looked at their Link and its Secret."""
    times: list[float] = []

    def noted(*args: Any, **more: Any) -> Any:
        times.append(time.monotonic())
        return access(*args, **more)

    monkeypatch.setattr("mirror.linked_cluster.access", noted)
    return times


async def occasion(at: World, looks: list[float], name: str) -> None:
    """Give the workers something new to look at, and wait until one has."""
    before = len(looks)
    await at.west.namespace(name)
    await until(lambda: answer(len(looks)), lambda count: count > before)


async def mirrored(at: World) -> Service:
    """The mirror of podinfo, once it leads to the gateway."""
    await until(at.west.addresses, lambda found: found == ALIVE)
    found = await at.mirror()
    assert found is not None
    return found


async def synced(at: World) -> None:
    await until(lambda: at.condition("Synced"), lambda found: found == ("True", "Synced"))


async def versions(at: World) -> dict[str, str]:
    """The resource version of everything in west but the Lease."""
    found = {}
    for kind in (SERVICE, ENDPOINTS, ENDPOINT_SLICE, LINK, SECRET, NAMESPACE):
        for raw in (await at.west.api.list(kind)).items:
            metadata = raw["metadata"]
            found[f"{kind.kind} {metadata.get('namespace', '')}/{metadata['name']}"] = metadata[
                "resourceVersion"
            ]
    return found


async def test_an_exported_service_is_mirrored_and_goes_when_it_is_exported_no_more(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        mirror = await mirrored(at)
        assert mirror.metadata.annotations[marks.REMOTE_NAME] == "podinfo.test.svc.cluster.local"
        assert mirror.cluster_ip.startswith("127.")
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
        await at.west.api.delete(ENDPOINTS, "test", "podinfo-east")
        await until(at.west.addresses, lambda found: found == ALIVE)
        await at.west.api.delete(ENDPOINT_SLICE, "test", "podinfo-east-ipv4")
        await until(
            lambda: at.west.find(ENDPOINT_SLICE, "podinfo-east-ipv4"), lambda found: found is not None
        )


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
        assert await at.west.find(SERVICE, "podinfo-east") == theirs
        await at.east.export(exported=False)
        await until(at.status, lambda found: len(found["mirrorServices"]) == 1)
        assert await at.west.find(SERVICE, "podinfo-east") == theirs


async def test_a_dead_gateways_address_is_not_ready_until_it_answers_again(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
        at.gateways.alive.clear()
        await until(at.west.addresses, lambda found: found == DEAD)
        await until(lambda: at.condition("GatewayAlive"), lambda found: found == ("False", "NotAnswering"))
        gateway = (await at.status())["gateway"]
        assert gateway["alive"] is False
        assert gateway["addresses"][0]["reason"] == "connection refused"
        at.gateways.alive.add(GATEWAY)
        await until(at.west.addresses, lambda found: found == ALIVE)
        await until(lambda: at.condition("GatewayAlive"), lambda found: found == ("True", "Answering"))


async def test_a_gateway_that_is_dead_from_the_start_is_never_ready(at: World) -> None:
    at.gateways.alive.clear()
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await until(lambda: at.condition("GatewayAlive"), lambda found: found[0] == "False")
        assert await until(at.west.addresses, lambda found: found is not None) == DEAD


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


async def answer(value: T) -> T:
    return value


async def test_a_gateway_that_died_while_nobody_looked_is_found_dead(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
    at.gateways.alive.clear()
    async with at.mirroring():
        await until(at.west.addresses, lambda found: found == DEAD)


async def test_while_the_other_api_is_away_everything_stays(at: World, tmp_path: Path) -> None:
    data = tmp_path / "north"
    async with local_cluster("north", data=data) as server, Cluster(server.access) as api:
        north = Site(server, api)
        await north.namespace("test")
        await north.service()
        await at.link("north", to=north)
        async with at.mirroring():
            await until(lambda: at.west.addresses("podinfo-north"), lambda found: found == ALIVE)
            await until(lambda: at.condition("Synced", "north"), lambda found: found[0] == "True")
            before = await at.mirror("podinfo-north")
            await server.__aexit__(None, None, None)
            await until(
                lambda: at.condition("RemoteReachable", "north"),
                lambda found: found == ("False", "Unreachable"),
            )
            assert await at.mirror("podinfo-north") == before
            assert await at.west.addresses("podinfo-north") == ALIVE
            await server.__aenter__()
            await until(lambda: at.condition("RemoteReachable", "north"), lambda found: found[0] == "True")
            await north.export(exported=False)
            await until(lambda: at.mirror("podinfo-north"), lambda found: found is None)


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
        await until(lambda: at.condition("Synced"), lambda found: found == ("False", "DeletionsWithheld"))
        assert await at.mirror() is not None


async def test_a_second_look_that_lacks_it_too_deletes_it(at: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(withdrawal, "SECOND_LOOK", 0.3)
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
    await at.east.api.delete(SERVICE, "test", "podinfo")
    async with at.mirroring():
        await until(lambda: at.condition("Synced"), lambda found: found == ("False", "DeletionsWithheld"))
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
        await until(lambda: at.condition("Synced"), lambda found: found == ("False", "DeletionsWithheld"))
        if lost == "credentials":
            await at.west.api.delete(SECRET, "jackstay", "cluster-credentials-east")
            await until(lambda: at.condition("CredentialsValid"), lambda found: found[0] == "False")
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
        await until(lambda: at.condition("Synced"), lambda found: found == ("False", "DeletionsWithheld"))
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
            await until(lambda: at.condition("Synced"), lambda found: found == ("False", "DeletionFailed"))
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
        await until(lambda: at.condition("Synced"), lambda found: found == ("False", "DeletionsWithheld"))
        messages = {each["type"]: each["message"] for each in (await at.status())["conditions"]}
        assert "1 mirror is kept until the other cluster shows a later state" in messages["Synced"]


async def test_endpoints_without_our_labels_are_a_conflict_that_deletes_nothing(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        before = await mirrored(at)
        await synced(at)
        unlabelled = {"metadata": {"labels": {marks.LINK_UID: None, marks.MIRRORED_SERVICE: None}}}
        await at.west.api.patch(ENDPOINTS, "test", "podinfo-east", unlabelled)
        await until(lambda: at.condition("Synced"), lambda found: found == ("False", "NotMirrored"))
        after = await at.mirror()
        assert after is not None
        assert after.metadata.uid == before.metadata.uid
        assert await at.west.addresses() == ALIVE
        await at.west.api.delete(ENDPOINTS, "test", "podinfo-east")
        await synced(at)
        assert await at.west.addresses() == ALIVE


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


async def test_a_link_under_another_name_moves_its_mirrors(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
        change = {"spec": {"targetClusterName": "north"}}
        await at.west.api.patch(LINK, "jackstay", "east", change)
        await until(lambda: at.west.addresses("podinfo-north"), lambda found: found == ALIVE)
        await until(at.mirror, lambda found: found is None)
        assert series(at) == 0


async def test_a_link_that_is_removed_takes_what_it_made_and_nothing_else(at: World) -> None:
    theirs = await at.west.make(SERVICE, "mine", spec={"ports": [{"port": 80}]})
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
        await at.west.api.delete(LINK, "jackstay", "east")
        await until(lambda: at.west.find(LINK, "east", "jackstay"), lambda found: found is None)
        assert await at.mirror() is None
        assert await at.west.addresses() is None
        assert await at.west.find(ENDPOINT_SLICE, "podinfo-east-ipv4") is None
        assert await at.west.find(SERVICE, "mine") == theirs
        await until(lambda: answer(series(at)), lambda count: count == 0)


def series(at: World) -> int:
    """How many series name the cluster east."""
    return sum(
        sample.labels.get("target_cluster_name") == "east"
        for family in at.registry.collect()
        for sample in family.samples
    )


async def test_a_link_may_leave_its_mirrors_behind_and_a_new_one_takes_them_over(at: World) -> None:
    await at.link(annotations={marks.KEEP_MIRRORS: "true"})
    await at.east.service()
    async with at.mirroring():
        before = await mirrored(at)
        await at.west.api.delete(LINK, "jackstay", "east")
        await until(lambda: at.west.find(LINK, "east", "jackstay"), lambda found: found is None)
        assert await at.mirror() == before
        await at.west.api.delete(SECRET, "jackstay", "cluster-credentials-east")
        await at.link()
        after = await until(
            at.mirror, lambda found: found is not None and found.metadata.labels != before.metadata.labels
        )
        assert after is not None
        assert after.metadata.uid == before.metadata.uid


async def test_new_credentials_take_effect_without_a_restart(at: World) -> None:
    await at.link()
    await at.east.service()
    access = at.east.server.access
    wrong = render(access.server, access.ca_data, "not-the-token", user="u", cluster="east")
    await at.west.api.patch(SECRET, "jackstay", "cluster-credentials-east", {"data": kubeconfig(wrong)})
    async with at.mirroring():
        await until(
            lambda: at.condition("CredentialsValid"), lambda found: found == ("False", "Unauthorized")
        )
        bad = {"kubeconfig": base64.b64encode(b"users: [{exec: /bin/sh}]").decode()}
        await at.west.api.patch(SECRET, "jackstay", "cluster-credentials-east", {"data": bad})
        await until(
            lambda: at.condition("CredentialsValid"), lambda found: found == ("False", "KubeconfigRefused")
        )
        await at.west.api.delete(SECRET, "jackstay", "cluster-credentials-east")
        await until(
            lambda: at.condition("CredentialsValid"), lambda found: found == ("False", "SecretMissing")
        )
        await at.secret("east", at.east)
        await mirrored(at)
        await until(lambda: at.condition("CredentialsValid"), lambda found: found == ("True", "Accepted"))


async def test_a_kubeconfig_that_says_the_same_in_other_words_disturbs_nothing(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
        access = at.east.server.access
        assert access.token is not None
        again = render(access.server, access.ca_data, access.token, user="u", cluster="c", namespace="other")
        name = "cluster-credentials-east"
        await at.west.api.patch(SECRET, "jackstay", name, {"data": kubeconfig(again)})
        await at.west.namespace("later")
        await at.east.namespace("later")
        await at.east.service("later", namespace="later")
        await until(lambda: at.west.find(SERVICE, "later-east", "later"), lambda found: found is not None)


async def test_a_link_with_mistakes_says_them_all_and_works_once_they_are_mended(at: World) -> None:
    await at.link(gatewayPort="x", probeSpec={"path": "/", "period": "often"})
    await at.east.service()
    async with at.mirroring():
        await until(lambda: at.condition("Synced"), lambda found: found == ("False", "InvalidLink"))
        conditions = {each["type"]: each for each in (await at.status())["conditions"]}
        assert {conditions[name]["status"] for name in ("RemoteReachable", "GatewayAlive")} == {"Unknown"}
        message = conditions["Synced"]["message"]
        assert "gatewayPort" in message
        assert "probeSpec.period" in message
        mended = {"spec": {"gatewayPort": "4143", "probeSpec": {"period": "50ms"}}}
        await at.west.api.patch(LINK, "jackstay", "east", mended)
        await mirrored(at)


async def test_after_a_mistake_everything_goes_on_as_the_link_last_said_it(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
        await synced(at)
        mistaken = {"spec": {"probeSpec": {"period": "often"}, "selector": {"matchExpressions": "all"}}}
        await at.west.api.patch(LINK, "jackstay", "east", mistaken)
        await until(lambda: at.condition("Synced"), lambda found: found == ("False", "InvalidLink"))
        assert (await at.status())["gateway"]["alive"] is True
        at.gateways.alive.clear()
        await until(at.west.addresses, lambda found: found == DEAD)
        await until(lambda: at.condition("GatewayAlive"), lambda found: found == ("False", "NotAnswering"))
        assert (await at.status())["gateway"]["alive"] is False


async def test_without_credentials_nothing_is_claimed_of_the_other_cluster(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
        await until(lambda: at.condition("RemoteReachable"), lambda found: found == ("True", "Answering"))
        await until(lambda: answer(reachable(at)), lambda value: value == 1.0)
        await at.west.api.delete(SECRET, "jackstay", "cluster-credentials-east")
        await until(
            lambda: at.condition("RemoteReachable"), lambda found: found == ("Unknown", "NoCredentials")
        )
        assert reachable(at) == 0.0


def reachable(at: World) -> float | None:
    return at.registry.get_sample_value("mirror_remote_reachable", {"target_cluster_name": "east"})


async def test_who_does_not_write_has_the_same_metrics(at: World) -> None:
    await at.link()
    async with at.mirroring() as leading:
        await until(lambda: answer(leading.leadership.ours), bool)
        async with at.mirroring():  # its registry is the one of `at` now
            await until(lambda: answer(reachable(at)), lambda value: value == 1.0)
            labels = {"target_cluster_name": "east"}
            await until(
                lambda: answer(at.registry.get_sample_value("gateway_alive", labels)),
                lambda value: value == 1.0,
            )
            at.gateways.alive.clear()
            await until(
                lambda: answer(at.registry.get_sample_value("gateway_alive", labels)),
                lambda value: value == 0.0,
            )
            assert leading.leadership.ours


async def test_a_name_that_cannot_be_one_leaves_the_mirrors_and_what_keeps_them_true(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
        await at.west.api.patch(LINK, "jackstay", "east", {"spec": {"targetClusterName": "No Name"}})
        await until(lambda: at.condition("Synced"), lambda found: found == ("False", "InvalidLink"))
        at.gateways.alive.clear()
        await until(at.west.addresses, lambda found: found == DEAD)


async def test_a_bug_in_one_link_ends_neither_the_others_nor_the_process(
    at: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the bug is in what is done when work is ended: then its error comes instead of the end."""
    report = LinkObject.report

    async def broken(self: LinkObject, *args: Any) -> NoReturn:
        try:
            await report(self, *args)
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("a bug")

    await at.link()
    await at.east.service()
    await at.link("north", to=at.east)
    async with at.mirroring():
        await until(lambda: at.west.addresses("podinfo-north"), lambda found: found == ALIVE)
        monkeypatch.setattr(LinkObject, "report", broken)
        at.gateways.alive.clear()  # a status to write
        await until(at.west.addresses, lambda found: found == DEAD)
        await at.west.api.patch(LINK, "jackstay", "east", {"spec": {"targetClusterName": "orient"}})
        await until(lambda: at.mirror("podinfo-orient"), lambda found: found is not None)
        at.gateways.alive.add(GATEWAY)
        await until(lambda: at.west.addresses("podinfo-orient"), lambda found: found == ALIVE)
        monkeypatch.setattr(LinkObject, "report", report)


async def test_another_way_to_ask_the_gateway_is_taken_up(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
        asked = len(at.gateways.asked)
        otherwise = {"metadata": {"annotations": {marks.GATEWAY_PROTOCOL: "transport.l5d.io/v1"}}}
        await at.west.api.patch(LINK, "jackstay", "east", otherwise)
        await until(at.west.addresses, lambda found: found == DEAD)  # nothing answers HTTP there
        back = {"metadata": {"annotations": {marks.GATEWAY_PROTOCOL: None}}}
        await at.west.api.patch(LINK, "jackstay", "east", back)
        await mirrored(at)
        assert len(at.gateways.asked) > asked


async def test_an_outage_is_written_and_told_once(at: World, tmp_path: Path) -> None:
    async with local_cluster("north", data=tmp_path / "north") as server, Cluster(server.access) as api:
        north = Site(server, api)
        await north.namespace("test")
        await at.link("north", to=north)
        with capture_logs() as told:
            async with at.mirroring():
                await until(
                    lambda: at.condition("RemoteReachable", "north"), lambda found: found[0] == "True"
                )
                await server.__aexit__(None, None, None)
                await until(
                    lambda: at.condition("RemoteReachable", "north"), lambda found: found[0] == "False"
                )
                first = (await at.status("north"))["conditions"]
                failures = [line for line in told if line["event"] == "informer.failed"]
                await until(
                    lambda: answer([line for line in told if line["event"] == "informer.failed"]),
                    lambda lines: len(lines) > len(failures) + 8,
                )
                assert (await at.status("north"))["conditions"] == first
                await server.__aenter__()
        warned = [
            (line["kind"], line["log_level"])
            for line in told
            if line["event"] == "informer.failed" and line["cluster"] == "north"
        ]
        assert sorted(kind for kind, level in warned if level == "warning") == ["endpointslices", "services"]


async def test_a_missing_namespace_is_waited_for(at: World) -> None:
    await at.east.namespace("web")
    await at.link()
    await at.east.service(namespace="web")
    async with at.mirroring():
        status = await until(at.status, lambda found: bool(found.get("mirrorServices")))
        assert status["mirrorServices"][0]["conditions"][0]["reason"] == "MissingNamespace"
        await at.west.namespace("web")
        await until(lambda: at.west.find(SERVICE, "podinfo-east", "web"), lambda found: found is not None)
        await synced(at)


async def test_a_cluster_that_never_answers_delays_no_other(at: World) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with silent:
        host, port = silent.sockets[0].getsockname()
        access = at.east.server.access
        nowhere = render(f"https://{host}:{port}", access.ca_data, "token", user="u", cluster="north")
        await at.link("north")
        await at.west.api.patch(
            SECRET, "jackstay", "cluster-credentials-north", {"data": kubeconfig(nowhere)}
        )
        await at.link()
        await at.east.service()
        async with at.mirroring():
            await mirrored(at)
            assert await at.mirror("podinfo-north") is None


async def test_names_are_resolved_again_and_what_they_last_led_to_stays(at: World) -> None:
    there: dict[str, tuple[str, ...]] = {"gw.example.com": (GATEWAY,)}

    async def resolver(host: str) -> tuple[str, ...]:
        if host not in there:
            raise Unresolved(f"{host} does not resolve")
        return there[host]

    at.gateways.alive.add("127.9.9.8")
    await at.link(gatewayAddress="gw.example.com")
    await at.east.service()
    async with at.mirroring(replace(QUICK, refresh=0.05), resolver=resolver):
        await mirrored(at)
        there["gw.example.com"] = ("127.9.9.8",)
        await until(at.west.addresses, lambda found: found == (["127.9.9.8"], []))
        del there["gw.example.com"]
        await until(
            at.status,
            lambda found: any(
                "does not resolve" in condition["message"] for condition in found["conditions"]
            ),
        )
        assert await at.west.addresses() == (["127.9.9.8"], [])
    async with at.mirroring(replace(QUICK, refresh=0.05), resolver=resolver):
        asked = len(at.gateways.asked)
        await until(lambda: answer(len(at.gateways.asked)), lambda count: count > asked + 3)
        assert await at.west.addresses() == (["127.9.9.8"], [])


async def test_only_one_of_two_writes_and_the_other_takes_over(at: World) -> None:
    await at.link()
    await at.east.service()
    async with AsyncExitStack() as outlives:
        async with at.mirroring() as leading:
            await mirrored(at)
            warm = await outlives.enter_async_context(at.mirroring())
            await warm.ready.wait()
            assert (leading.leadership.ours, warm.leadership.ours) == (True, False)
        await at.east.export(exported=False)
        await until(at.mirror, lambda found: found is None)
        assert warm.leadership.ours


async def test_a_lease_that_was_given_back_is_taken_at_once(at: World) -> None:
    async with at.mirroring() as first:
        await first.ready.wait()
    lease = await at.west.api.get(LEASE, "jackstay", "jackstay-mirror")
    assert not lease["spec"].get("holderIdentity")
    async with at.mirroring() as second:
        await second.ready.wait()
        assert second.leadership.ours


async def test_many_services_are_mirrored_and_all_go_again(at: World) -> None:
    names = [f"service-{number:03}" for number in range(60)]
    for name in names:
        await at.east.service(name)
    await at.link()
    async with at.mirroring():
        await until(lambda: at.condition("Synced"), lambda found: found[0] == "True", seconds=20)
        listing = await at.west.api.list(SERVICE, namespace="test")
        assert len(listing.items) == 60
        for name in names:
            await at.east.export(name, exported=False)
        await until(lambda: mirrors(at), lambda count: count == 0)


async def mirrors(at: World) -> int:
    return len((await at.west.api.list(SERVICE, namespace="test")).items)


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
            await until(lambda: at.condition("Synced"), lambda found: found == ("False", "ClusterReplaced"))
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
