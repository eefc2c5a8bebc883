"""Gateways, credentials, namespaces and names that are not there, and what is told of them."""

import asyncio
from dataclasses import replace

from cluster.kinds import SECRET, SERVICE
from cluster.kubeconfig import render
from mirror.gateway_addresses import Unresolved
from tests.kubernetes.whole import ALIVE, DEAD, answer, mirrored, stands, synced
from tests.support.clusters import GATEWAY, QUICK, World, kubeconfig, until


async def test_a_dead_gateways_address_is_not_ready_until_it_answers_again(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
        at.gateways.alive.clear()
        await until(at.west.addresses, lambda found: found == DEAD)
        await stands(at, "GatewayAlive", "False", "NotAnswering")
        gateway = (await at.status())["gateway"]
        assert gateway["alive"] is False
        assert gateway["addresses"][0]["reason"] == "connection refused"
        at.gateways.alive.add(GATEWAY)
        await until(at.west.addresses, lambda found: found == ALIVE)
        await stands(at, "GatewayAlive", "True", "Answering")


async def test_a_gateway_that_is_dead_from_the_start_is_never_ready(at: World) -> None:
    at.gateways.alive.clear()
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await stands(at, "GatewayAlive", "False")
        assert await until(at.west.addresses, lambda found: found is not None) == DEAD


async def test_a_gateway_that_died_while_nobody_looked_is_found_dead(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
    at.gateways.alive.clear()
    async with at.mirroring():
        await until(at.west.addresses, lambda found: found == DEAD)


async def test_without_credentials_nobody_claims_that_the_mirrors_are_true(at: World) -> None:
    await at.link()
    await at.east.service()
    async with at.mirroring():
        await mirrored(at)
        await synced(at)
        await at.west.api.delete(SECRET, "jackstay", "cluster-credentials-east")
        await stands(at, "Synced", "Unknown", "NoCredentials")
        assert await at.west.addresses() == ALIVE
        await at.secret("east", at.east)
        await synced(at)


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
        access = at.east.access
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

    at.gateways.alive.add("198.51.100.8")
    await at.link(gatewayAddress="gw.example.com")
    await at.east.service()
    async with at.mirroring(replace(QUICK, refresh=0.05), resolver=resolver):
        await mirrored(at)
        there["gw.example.com"] = ("198.51.100.8",)
        await until(at.west.addresses, lambda found: found == (["198.51.100.8"], []))
        del there["gw.example.com"]
        await until(
            at.status,
            lambda found: any(
                "does not resolve" in condition["message"] for condition in found["conditions"]
            ),
        )
        assert await at.west.addresses() == (["198.51.100.8"], [])
    async with at.mirroring(replace(QUICK, refresh=0.05), resolver=resolver):
        asked = len(at.gateways.asked)
        await until(lambda: answer(len(at.gateways.asked)), lambda count: count > asked + 3)
        assert await at.west.addresses() == (["198.51.100.8"], [])
