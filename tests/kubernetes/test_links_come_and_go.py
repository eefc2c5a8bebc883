"""Links that come, change, are wrong and go."""

import asyncio
import base64
from typing import Any, NoReturn

import pytest

from cluster.kinds import ENDPOINT_SLICE, LINK, SECRET, SERVICE
from cluster.kubeconfig import render
from mirror import marks
from mirror.link_object import LinkObject
from tests.kubernetes.contract import own_address
from tests.kubernetes.whole import ALIVE, DEAD, answer, mirrored, reachable, series, stands, synced
from tests.support.clusters import GATEWAY, World, kubeconfig, until


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
    access = at.east.access
    wrong = render(access.server, access.ca_data, "not-the-token", user="u", cluster="east")
    await at.west.api.patch(SECRET, "jackstay", "cluster-credentials-east", {"data": kubeconfig(wrong)})
    async with at.mirroring():
        await stands(at, "CredentialsValid", "False", "Unauthorized")
        bad = {"kubeconfig": base64.b64encode(b"users: [{exec: /bin/sh}]").decode()}
        await at.west.api.patch(SECRET, "jackstay", "cluster-credentials-east", {"data": bad})
        await stands(at, "CredentialsValid", "False", "KubeconfigRefused")
        await at.west.api.delete(SECRET, "jackstay", "cluster-credentials-east")
        await stands(at, "CredentialsValid", "False", "SecretMissing")
        await at.secret("east", at.east)
        await mirrored(at)
        await stands(at, "CredentialsValid", "True", "Accepted")


async def test_a_kubeconfig_that_says_the_same_in_other_words_disturbs_nothing(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
        access = at.east.access
        assert access.token is not None
        again = render(access.server, access.ca_data, access.token, user="u", cluster="c", namespace="other")
        name = "cluster-credentials-east"
        await at.west.api.patch(SECRET, "jackstay", name, {"data": kubeconfig(again)})
        await at.west.namespace("later")
        await at.east.namespace("later")
        await at.east.service("later", namespace="later")
        await until(lambda: at.west.find(SERVICE, "later-east", "later"), lambda found: found is not None)


async def test_a_link_with_mistakes_says_them_all_and_works_once_they_are_mended(at: World) -> None:
    await at.link(gatewayPort="x", probeSpec={"path": "/", "period": "2h"})
    await at.east.service()
    async with at.mirroring():
        await stands(at, "Synced", "False", "InvalidLink")
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
        chosen = {"matchExpressions": [{"key": "team", "operator": "In"}]}  # of no values
        mistaken = {"spec": {"probeSpec": {"period": "2h"}, "selector": chosen}}
        await at.west.api.patch(LINK, "jackstay", "east", mistaken)
        await stands(at, "Synced", "False", "InvalidLink")
        assert (await at.status())["gateway"]["alive"] is True
        at.gateways.alive.clear()
        await until(at.west.addresses, lambda found: found == DEAD)
        await stands(at, "GatewayAlive", "False", "NotAnswering")
        assert (await at.status())["gateway"]["alive"] is False


async def test_without_credentials_nothing_is_claimed_of_the_other_cluster(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
        await stands(at, "RemoteReachable", "True", "Answering")
        await until(lambda: answer(reachable(at)), lambda value: value == 1.0)
        await at.west.api.delete(SECRET, "jackstay", "cluster-credentials-east")
        await stands(at, "RemoteReachable", "Unknown", "NoCredentials")
        assert reachable(at) == 0.0


async def test_a_name_that_cannot_be_one_leaves_the_mirrors_and_what_keeps_them_true(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
        await at.west.api.patch(LINK, "jackstay", "east", {"spec": {"targetClusterName": "No Name"}})
        await stands(at, "Synced", "False", "InvalidLink")
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
    here = own_address()
    at.gateways.alive.add(here)
    alive: tuple[list[str], list[str]] = ([here], [])
    dead: tuple[list[str], list[str]] = ([], [here])
    await at.link(gatewayAddress=here)
    await at.east.service()
    async with at.mirroring():
        await until(at.west.addresses, lambda found: found == alive)
        asked = len(at.gateways.asked)
        otherwise = {"metadata": {"annotations": {marks.GATEWAY_PROTOCOL: "transport.l5d.io/v1"}}}
        await at.west.api.patch(LINK, "jackstay", "east", otherwise)
        await until(at.west.addresses, lambda found: found == dead)  # nothing answers HTTP there
        back = {"metadata": {"annotations": {marks.GATEWAY_PROTOCOL: None}}}
        await at.west.api.patch(LINK, "jackstay", "east", back)
        await until(at.west.addresses, lambda found: found == alive)
        assert len(at.gateways.asked) > asked
