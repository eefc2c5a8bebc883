"""A real API server: its proxy to pods, and the rights that `certs rotate` needs."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from certs import anchors
from cli.install.parts import ISSUER_SECRET, TRUST_BUNDLE
from cli.install.rights import Account, Right
from cli.rotation.reading import look
from cli.rotation.seen import Seen
from cli.rotation.verdict import needing, status
from cluster.client import Cluster
from cluster.kinds import CONFIG_MAP, NAMESPACE, POD, SECRET, Kind
from process.address import Address
from process.admin import AdminServer, Readiness
from tests.cli.rotation.site import LABELS, Running
from tests.kubernetes.contract import own_address
from tests.support.pki import Pki
from tests.support.real_api import HOW_TO_GET_THEM, RealApi, assets, real_api
from tests.support.rights import access_of, make

PKI = Pki.make()
READER = Account(
    "jackstay-rotation",
    everywhere=(
        Right(CONFIG_MAP, ("list",), names=(TRUST_BUNDLE,)),
        Right(SECRET, ("list",), names=(ISSUER_SECRET,)),
        Right(POD, ("list",)),
        Right(POD, ("get",), subresource="proxy"),
    ),
    in_pods=False,
)
"""What README says."""


@pytest.fixture(scope="module", name="real")
def with_rbac(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealApi]:
    binaries = assets()
    if binaries is None:
        pytest.skip(HOW_TO_GET_THEM)
    with real_api(binaries, Path(tmp_path_factory.mktemp("rbac")), authorization="RBAC") as api:
        yield api


@pytest.fixture(name="admin")
async def administrator(real: RealApi) -> AsyncIterator[Cluster]:
    """Of a cluster with a bundle, an issuer, and a pod that answers at an address of this machine."""
    running = Running()
    running.uses(PKI.leaf("jackstay-gateway.jackstay"), PKI.bundle)
    await real.ready()
    async with (
        AdminServer(Address(own_address(), 0), Readiness(), running.registry) as server,
        Cluster(real.access) as admin,
    ):
        for name in ("jackstay", "test"):
            await make(admin, NAMESPACE, name)
        await make(
            admin, CONFIG_MAP, TRUST_BUNDLE, "jackstay", data={"ca-bundle.crt": PKI.bundle.pem.decode()}
        )
        data = {"tls.crt": PKI.issuer.pem.decode(), "tls.key": PKI.issuer.key_pem.decode()}
        await make(admin, SECRET, ISSUER_SECRET, "jackstay", type="kubernetes.io/tls", stringData=data)
        port = {"name": "admin", "containerPort": server.address.port}
        spec = {
            "containers": [{"name": "gateway", "image": "jackstay", "ports": [port]}],
            "automountServiceAccountToken": False,
        }
        await make(admin, POD, "gateway-0", "jackstay", LABELS, spec=spec)
        ip = server.address.host
        running_there = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]}
        await admin.patch_status(POD, "jackstay", "gateway-0", {"status": running_there})
        yield admin
        await admin.delete(POD, "jackstay", "gateway-0")


async def seen_by(admin: Cluster, account: Account) -> Seen:
    return await look([("real", await access_of(admin, account))], (), patience=5.0)


async def test_the_rights_are_enough_and_a_pod_answers_through_the_api_server(admin: Cluster) -> None:
    seen = await seen_by(admin, READER)
    assert not seen.unread
    (process,) = seen.processes
    assert process.held is not None, process.silent
    assert process.held.bundles == {PKI.bundle.digest}
    assert [issuer.anchor for issuer in seen.issuers] == [anchors.fingerprint(PKI.root.certificate)]
    assert status(seen).complete


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        (CONFIG_MAP, "needed is `list` on configmaps"),
        (SECRET, "needed is `list` on secrets"),
        (POD, "needed is `list` on pods"),
    ],
    ids=lambda value: getattr(value, "plural", ""),
)
async def test_each_right_that_is_missing_is_named_and_never_passed_over(
    admin: Cluster, lacking: Kind, said: str
) -> None:
    less = tuple(right for right in READER.everywhere if right.kind != lacking or right.subresource)
    seen = await seen_by(admin, replace(READER, everywhere=less))
    assert said in " ".join(one.why for one in seen.unread)
    assert not status(seen).complete
    assert any(said in sentence for sentence in needing("0" * 64, seen))


async def test_without_the_pods_proxy_no_process_is_known(admin: Cluster) -> None:
    less = tuple(right for right in READER.everywhere if not right.subresource)
    seen = await seen_by(admin, replace(READER, everywhere=less))
    (process,) = seen.processes
    assert process.held is None
    assert "needed is `get` on pods/proxy in namespace jackstay" in process.silent
    assert not status(seen).complete
