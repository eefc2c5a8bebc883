"""What clusters and processes are asked, and what becomes of those that do not answer."""

import socket
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from certs import anchors
from cli.rotation.reading import admin_ports, look
from cli.rotation.said import Unreadable, held
from cli.rotation.seen import Process
from cluster.kinds import POD
from process.address import Address
from tests.cli.rotation.site import clusters
from tests.support.pki import Pki
from tests.support.processes import processes
from tests.support.scripted_api import ScriptedApi

OLD, NEW = Pki.make(), Pki.make()
BOTH = anchors.of((OLD.root.certificate, NEW.root.certificate))
OLD_FP, NEW_FP = anchors.fingerprint(OLD.root.certificate), anchors.fingerprint(NEW.root.certificate)
PROXY = {"jackstay.io/proxy": "outbound", "app": "web"}
GATEWAY, WEB = "jackstay-gateway.jackstay", "web.test"


def one(processes: tuple[Process, ...], name: str) -> Process:
    (found,) = [process for process in processes if process.name == name]
    return found


async def test_pods_config_maps_and_issuers_of_all_clusters_are_seen() -> None:
    async with clusters("east", "west") as (east, west):
        for site in (east, west):
            await site.bundle(BOTH)
        await east.bundle(OLD.bundle, "test")
        await east.issuer(OLD.issuer)
        await east.runs("gateway-0", OLD.leaf(GATEWAY), BOTH)
        await west.runs("web", NEW.leaf(WEB), NEW.bundle, namespace="test", labels=PROXY)
        await west.runs("other", NEW.leaf(WEB), NEW.bundle, namespace="test", labels={"app": "other"})
        seen = await look([(site.server.name, site.server.access) for site in (east, west)], (), patience=5.0)
    assert not seen.unread
    assert {str(process) for process in seen.processes} == {"east: jackstay/gateway-0", "west: test/web"}
    gateway, web = one(seen.processes, "gateway-0").held, one(seen.processes, "web").held
    assert gateway is not None
    assert web is not None
    assert gateway.bundles == {BOTH.digest}
    assert gateway.leaf_anchors == {OLD_FP}
    assert gateway.fingerprints == {OLD_FP, NEW_FP}
    assert gateway.identities == {OLD.identity(GATEWAY).dns_name}
    assert web.bundles == {NEW.bundle.digest}
    assert web.leaf_anchors == {NEW_FP}
    assert web.fingerprints == {NEW_FP}
    assert [(place.context, place.namespace) for place in seen.places] == [
        ("east", "jackstay"),
        ("east", "test"),
        ("west", "jackstay"),
    ]
    assert [(issuer.context, issuer.anchor) for issuer in seen.issuers] == [("east", OLD_FP)]


async def test_pods_that_do_not_answer_are_there_with_the_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf, socket.create_server(("127.0.0.1", 0)) as closing:
        closed = closing.getsockname()[1]
        closing.close()
        async with clusters("east") as (east,):
            await east.bundle(BOTH)
            await east.pod("deaf", deaf.getsockname()[1])
            await east.pod("closed", closed)
            await east.pod("pending", 9990, phase="Pending")
            await east.pod("done", 9990, phase="Succeeded")
            seen = await look([("east", east.server.access)], (), patience=0.5)
    why = {process.name: process.silent for process in seen.processes}
    assert why.keys() == {"deaf", "closed", "pending"}
    assert "no answer in time" in why["deaf"]
    assert "error trying to reach service" in why["closed"]
    assert why["pending"] == "the pod is Pending"
    assert all(process.held is None for process in seen.processes)


async def test_a_dead_cluster_and_a_silent_one_are_named_and_the_other_is_read() -> None:
    async with ScriptedApi() as silent, clusters("west") as (west,):
        await west.bundle(BOTH)
        await west.runs("gateway-0", NEW.leaf(GATEWAY), BOTH)
        async with clusters("gone") as (gone,):
            dead = gone.server.access
        asked = [("gone", dead), ("east", silent.access), ("west", west.server.access)]
        seen = await look(asked, (), patience=0.5)
    told = {one.context: one.why for one in seen.unread}
    assert "gone: its API server" in told["gone"]
    assert "Connection refused" in told["gone"]
    assert "no answer in time" in told["east"]
    assert one(seen.processes, "gateway-0").held is not None
    assert [one.context for one in seen.unread].count("gone") == 1  # however many questions there were


async def test_a_right_that_is_missing_is_named() -> None:
    async def forbidden(request: web.Request) -> web.StreamResponse:
        pods = request.path.endswith("/pods") and "name" in request.query["labelSelector"]
        if pods:
            pod = {"metadata": {"name": "g", "namespace": "jackstay"}, "status": {"phase": "Running"}}
            return web.json_response({"kind": "List", "metadata": {"resourceVersion": "1"}, "items": [pod]})
        return web.json_response({"kind": "Status", "code": 403, "reason": "Forbidden"}, status=403)

    async with ScriptedApi() as api:
        for _ in range(5):
            api.does(forbidden)
        seen = await look([("east", api.access)], (), patience=5.0)
    why = " ".join(one.why for one in seen.unread)
    for kind in ("configmaps", "secrets", "pods"):
        assert f"needed is `list` on {kind} in all namespaces" in why
    assert "needed is `get` on pods/proxy in namespace jackstay" in seen.processes[0].silent


async def test_processes_are_asked_directly() -> None:
    async with clusters("east") as (east,):
        running = await east.runs("gateway-0", OLD.leaf(GATEWAY), BOTH)
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            nobody = Address("127.0.0.1", deaf.getsockname()[1])
            seen = await look([], [running.address, nobody, Address("127.0.0.1", 1)], patience=0.5)
    first, second, third = seen.processes
    assert first.held is not None
    assert str(first) == str(running.address)
    assert second.silent == "no answer within 0.5 s"
    assert "cannot be reached" in third.silent


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "does not say which certificate"),
        ("jackstay_tunnels 1\n", "does not say which certificate"),
        ("<html>\n", "cannot be read"),
        (
            'jackstay_trust_bundle_info{sha256="a"} 1\njackstay_trust_anchor_info{sha256="b"} 1\n',
            "cannot be read",
        ),
        ('jackstay_trust_bundle_info{other="a"} 1\n', "cannot be read"),
    ],
)
def test_what_is_no_answer_of_ours_is_never_taken_for_one(text: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        held(text)


def container(port: int, *args: str, name: str = "admin") -> dict[str, Any]:
    return {
        "name": f"c{port}",
        "image": "i",
        "args": list(args),
        "ports": [{"name": name, "containerPort": port}],
    }


@pytest.mark.parametrize(
    ("spec", "ports"),
    [
        ({}, (9990,)),
        ({"containers": [container(80, name="http")]}, (9990,)),
        ({"containers": [container(81)]}, (81,)),
        ({"containers": [container(81), container(82)]}, (81,)),
        ({"containers": [container(81, "serve"), container(9991, "outbound", "--targets=f")]}, (9991,)),
        ({"initContainers": [container(9991, "outbound")], "containers": [container(81)]}, (9991,)),
        (
            {"initContainers": [container(9991, "outbound")], "containers": [container(9990, "gateway")]},
            (9991, 9990),
        ),
        (
            {"containers": [container(9991, "python", "-m", "cli"), container(9992, "jackstay", "mirror")]},
            (9992,),
        ),
        ({"containers": [container(81), container(9991, "outbound", name="metrics")]}, (9990,)),
        ({"containers": None, "initContainers": None}, (9990,)),
    ],
)
def test_the_admin_ports_are_those_of_our_processes(spec: dict[str, Any], ports: tuple[int, ...]) -> None:
    assert admin_ports({"spec": spec}) == ports


def test_a_pod_without_a_specification_is_asked_at_our_usual_port() -> None:
    assert admin_ports({}) == (9990,)


async def test_each_process_of_a_pod_is_seen() -> None:
    async with clusters("east") as (east,):
        first = await east.runs("both", NEW.leaf(GATEWAY), BOTH)
        second = await east.runs("other", OLD.leaf(WEB), BOTH)
        ports = [running.address.port for running in (first, second)]
        containers = [container(port, "gateway") for port in ports]
        labels = {"app.kubernetes.io/name": "jackstay"}
        await east.api.delete(POD, "jackstay", "other")
        await east.api.delete(POD, "jackstay", "both")
        await east.make(POD, "both", "jackstay", labels=labels, spec={"containers": containers})
        await east.api.patch_status(
            POD, "jackstay", "both", {"status": {"phase": "Running", "podIP": "127.0.0.1"}}
        )
        seen = await look([("east", east.server.access)], (), patience=5.0)
    found = {process.name: process.held.leaf_anchors for process in seen.processes if process.held}
    assert found == {f"both:{ports[0]}": frozenset({NEW_FP}), f"both:{ports[1]}": frozenset({OLD_FP})}


async def test_a_mirror_says_it_too(tmp_path: Path) -> None:
    async with clusters("east") as (east,), processes(tmp_path) as started:
        await east.bundle(BOTH)
        (tmp_path / "kubeconfig").write_bytes(east.server.kubeconfig)
        files = OLD.leaf("jackstay-mirror.jackstay").write(tmp_path, "mirror")
        files.trust_anchors.write_bytes(BOTH.pem)
        flags = ("--kubeconfig", str(tmp_path / "kubeconfig"), "--admin", "127.0.0.1:0")
        mirror = await started.start("mirror", *flags, *files.flags)
        seen = await look([], [Address.parse(mirror.ready["admin"])], patience=5.0)
    (held_there,) = [process.held for process in seen.processes]
    assert held_there is not None
    assert (held_there.bundles, held_there.leaf_anchors) == (frozenset({BOTH.digest}), frozenset({OLD_FP}))
