"""What `jackstay install` lets the gateway do is enough, and each of it is needed: by a real API server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from cli.cluster_source import OwnCluster, follow_routes
from cli.install import rights
from cli.install.rights import GATEWAY_ACCOUNT
from cluster.access import Access
from cluster.client import Cluster
from cluster.kinds import ENDPOINT_SLICE, NAMESPACE, NODE, SERVICE, Kind
from gateway.metrics import DataPathMetrics
from gateway.routes import RouteTable
from tests.support.clusters import until
from tests.support.real_api import HOW_TO_GET_THEM, RealApi, assets
from tests.support.rights import access_of, guarded, make, role_name

POD = {"kind": "Pod", "namespace": "test", "name": "podinfo-0"}
READY = {"conditions": {"ready": True}, "targetRef": POD}


@pytest.fixture(scope="module", name="real")
def with_rbac(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealApi]:
    binaries = assets()
    if binaries is None:
        pytest.skip(HOW_TO_GET_THEM)
    with guarded(binaries, Path(tmp_path_factory.mktemp("rbac"))) as api:
        yield api.real


@pytest.fixture(name="admin")
async def administrator(real: RealApi) -> AsyncIterator[Cluster]:
    """Of a cluster with a node, and an exported Service with a pod of its own and one at the node."""
    await real.ready()
    async with Cluster(real.access) as admin:
        for name in ("jackstay", "test"):
            await make(admin, NAMESPACE, name)
        await make(admin, NODE, "node-1")
        addresses = [{"type": "InternalIP", "address": "192.0.2.1"}]
        await admin.patch_status(NODE, None, "node-1", {"status": {"addresses": addresses}})
        labels = {"mirror.linkerd.io/exported": "true"}
        spec = {"selector": {"app": "podinfo"}, "ports": [{"name": "http", "port": 80}]}
        await make(admin, SERVICE, "podinfo", "test", labels, spec=spec)
        await make(
            admin,
            ENDPOINT_SLICE,
            "podinfo-0",
            "test",
            {"kubernetes.io/service-name": "podinfo"},
            addressType="IPv4",
            endpoints=[{"addresses": ["10.0.0.9"], **READY}, {"addresses": ["192.0.2.1"], **READY}],
            ports=[{"name": "http", "port": 80, "protocol": "TCP"}],
        )
        yield admin


@asynccontextmanager
async def following(access: Access) -> AsyncIterator[Callable[[], Awaitable[RouteTable | None]]]:
    """The newest table of a gateway, for as long as the block lasts."""
    tables: list[RouteTable] = []

    async def took(table: RouteTable) -> None:
        tables.append(table)

    async def newest() -> RouteTable | None:
        return tables[-1] if tables else None

    own = OwnCluster(access, "jackstay", "cluster.local", allow_loopback=False)
    metrics = DataPathMetrics(CollectorRegistry(), "inbound")
    running = asyncio.create_task(follow_routes(own, took, metrics))
    try:
        yield newest
    finally:
        running.cancel()
        await asyncio.wait([running])


def backends(table: RouteTable | None) -> list[str]:
    return [backend.host for route in table.routes.values() for backend in route.backends] if table else []


async def test_the_gateways_rights_are_enough(admin: Cluster) -> None:
    with capture_logs() as told:
        async with following(await access_of(admin, GATEWAY_ACCOUNT)) as newest:
            await until(newest, lambda table: backends(table) == ["10.0.0.9"])
    assert not [line for line in told if line["event"] in ("informer.failed", "nodes.unknown")]


async def test_an_older_installation_serves_on_says_so_and_is_mended_while_it_runs(admin: Cluster) -> None:
    older = replace(
        GATEWAY_ACCOUNT, everywhere=tuple(one for one in GATEWAY_ACCOUNT.everywhere if one.kind != NODE)
    )
    with capture_logs() as told:
        async with following(await access_of(admin, older)) as newest:
            await until(newest, lambda table: backends(table) == ["10.0.0.9", "192.0.2.1"])
            (error,) = [line for line in told if line["event"] == "nodes.unknown"]
            assert 'cannot list resource "nodes"' in error["because"]
            role, name = rights.CLUSTER_ROLE, role_name(GATEWAY_ACCOUNT, "jackstay")
            rules = [right.rule for right in GATEWAY_ACCOUNT.everywhere]
            await admin.patch(role, None, name, {"rules": rules})
            await until(newest, lambda table: backends(table) == ["10.0.0.9"], seconds=60)


@pytest.mark.parametrize("kind", [SERVICE, ENDPOINT_SLICE], ids=lambda kind: kind.plural)
async def test_without_what_routes_are_made_of_there_are_none(admin: Cluster, kind: Kind) -> None:
    less = replace(
        GATEWAY_ACCOUNT, everywhere=tuple(one for one in GATEWAY_ACCOUNT.everywhere if one.kind != kind)
    )

    with capture_logs() as told:
        async with following(await access_of(admin, less)) as newest:

            async def failed() -> list[str]:
                return [line["kind"] for line in told if line["event"] == "informer.failed"]

            await until(failed, lambda kinds: kinds == [kind.plural])
            assert await newest() is None
