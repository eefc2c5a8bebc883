"""What `link` reads of the other cluster: an API server of the test's own, over HTTPS."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from cli.errors import CliError
from cli.link import read
from cli.manifests import GATEWAY, REMOTE_ACCESS, gateway_service, namespace, service_account
from cluster.access import Access
from cluster.client import Cluster
from cluster.kinds import NAMESPACE, SERVICE, SERVICE_ACCOUNT
from cluster.kubeconfig import strict
from cluster.objects import Service
from tests.support.cluster import local_cluster

IDENTITY = "jackstay-gateway.jackstay.serviceaccount.identity.jackstay.east.jackstay"


@pytest_asyncio.fixture
async def east() -> AsyncIterator[Cluster]:
    async with local_cluster("east") as running, Cluster(running.access) as cluster:
        await cluster.create(NAMESPACE, namespace("jackstay"))
        yield cluster


async def read_from(access: Access, server: str = "") -> tuple[Service, bytes]:
    return await read(
        access,
        namespace="jackstay",
        gateway_name=GATEWAY,
        service_account=REMOTE_ACCESS,
        server=server,
        name="east",
    )


async def prepare(east: Cluster) -> None:
    await east.create(SERVICE, gateway_service("jackstay", IDENTITY))
    await east.create(SERVICE_ACCOUNT, service_account(REMOTE_ACCESS, "jackstay"))


async def test_the_kubeconfig_is_one_that_a_mirror_takes_and_opens_the_cluster(east: Cluster) -> None:
    await prepare(east)
    gateway, kubeconfig = await read_from(east.access)
    assert gateway.metadata.name == GATEWAY
    access = strict(kubeconfig, allow_loopback=True)
    assert (access.name, access.server) == ("east", east.access.server)
    async with Cluster(access) as as_the_mirror:
        assert await as_the_mirror.get(SERVICE, "jackstay", GATEWAY)


async def test_the_server_may_be_another_than_ours(east: Cluster) -> None:
    await prepare(east)
    _, kubeconfig = await read_from(east.access, "https://east.example.com:6443")
    assert strict(kubeconfig).server == "https://east.example.com:6443"


async def test_a_cluster_without_a_gateway_is_told_so(east: Cluster) -> None:
    with pytest.raises(CliError, match=r"cluster .* has no Service jackstay/jackstay-gateway"):
        await read_from(east.access)


async def test_a_missing_account_is_named_with_the_command_that_makes_it(east: Cluster) -> None:
    await east.create(SERVICE, gateway_service("jackstay", IDENTITY))
    with pytest.raises(CliError, match="no ServiceAccount jackstay/jackstay-remote-access") as raised:
        await read_from(east.access)
    assert raised.value.hint.endswith("kubectl -n jackstay create serviceaccount jackstay-remote-access")


async def test_a_server_that_no_ca_of_the_kubeconfig_vouches_for_is_not_linked(east: Cluster) -> None:
    with pytest.raises(CliError, match="names no certificate authority"):
        await read_from(replace(east.access, ca_data=b""))
