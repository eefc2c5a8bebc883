"""A pod asked through the API server: the small one and a real one alike."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from cluster.client import Cluster
from cluster.errors import Invalid, NotFound, ServerFault
from cluster.kinds import POD
from process.address import Address
from tests.kubernetes.contract import own_address
from tests.kubernetes.differences import real_only


@asynccontextmanager
async def listening(host: str) -> AsyncIterator[Address]:
    """Says its metrics, and what it was asked."""

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(text=f"one 1\nquery {len(request.query_string)}\n")

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, 0).start()
        yield Address(host, runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def a_pod(cluster: Cluster, namespace: str, ip: str | None) -> None:
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "gateway-0", "namespace": namespace},
        "spec": {
            "containers": [{"name": "gateway", "image": "jackstay"}],
            "automountServiceAccountToken": False,
        },
    }
    await cluster.create(POD, body)
    if ip is not None:
        status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]}
        await cluster.patch_status(POD, namespace, "gateway-0", {"status": status})


async def test_a_pod_answers_through_the_api_server(cluster: Cluster, namespace: str) -> None:
    async with listening(own_address()) as address:
        await a_pod(cluster, namespace, address.host)
        answer = await cluster.ask_pod(namespace, "gateway-0", address.port, "/metrics")
        assert answer == b"one 1\nquery 0\n"
        with pytest.raises(NotFound, match=f"get pods/proxy {namespace}/gateway-0: 404"):
            await cluster.ask_pod(namespace, "gateway-0", address.port, "/nothing")


async def test_a_pod_where_nobody_listens_is_a_fault(cluster: Cluster, namespace: str) -> None:
    host = own_address()
    async with listening(host) as address:
        port = address.port
    await a_pod(cluster, namespace, host)
    with pytest.raises(ServerFault, match="error trying to reach service"):
        await cluster.ask_pod(namespace, "gateway-0", port, "/metrics")


async def test_a_pod_without_an_address_or_none_at_all_is_said(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(NotFound):
        await cluster.ask_pod(namespace, "gateway-0", 9990, "/metrics")
    await a_pod(cluster, namespace, None)
    with pytest.raises((Invalid, ServerFault)):
        await cluster.ask_pod(namespace, "gateway-0", 9990, "/metrics")


@real_only("pods on loopback")
async def test_a_real_api_server_asks_nobody_on_loopback(cluster: Cluster, namespace: str) -> None:
    async with listening("127.0.0.1") as address:
        await a_pod(cluster, namespace, address.host)
        with pytest.raises((Invalid, ServerFault), match="address not allowed"):
            await cluster.ask_pod(namespace, "gateway-0", address.port, "/metrics")
