"""The real kubectl against the small API server: what people will type while the demo is running."""

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cluster.local import LocalCluster

KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not on PATH")

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: admin, port: 81}]
"""
LINK = """
apiVersion: multicluster.linkerd.io/v1alpha3
kind: Link
metadata: {name: east}
spec: {targetClusterName: east, gatewayAddress: 192.0.2.1, gatewayPort: "4143"}
"""


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


class Kubectl:
    """Runs kubectl with a home of its own, in the namespace `test`."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "KUBECONFIG": str(self.home / "kubeconfig"),
            **more,
        }

    async def start(self, *arguments: str, **environment: str) -> asyncio.subprocess.Process:
        assert KUBECTL is not None
        return await asyncio.create_subprocess_exec(
            KUBECTL,
            "--namespace=test",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.environment(**environment),
            cwd=self.home,
        )

    async def run(self, *arguments: str, stdin: str = "", **environment: str) -> Result:
        process = await self.start(*arguments, **environment)
        try:
            async with asyncio.timeout(60):
                out, err = await process.communicate(stdin.encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return Result(process.returncode, out.decode(), err.decode())

    async def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> str:
        """What it prints; it must succeed."""
        result = await self.run(*arguments, stdin=stdin, **environment)
        assert result.code == 0, f"kubectl {' '.join(arguments)}: {result.err}"
        return result.out

    async def refused(self, *arguments: str, stdin: str = "") -> str:
        """What it says on stderr; it must fail."""
        result = await self.run(*arguments, stdin=stdin)
        assert result.code != 0, result.out
        return result.err

    async def read(self, *arguments: str) -> Any:
        return json.loads(await self("get", *arguments, "-o", "json"))


@pytest_asyncio.fixture(name="kubectl")
async def kubectl_fixture(cluster: LocalCluster, tmp_path: Path) -> AsyncIterator[Kubectl]:
    (tmp_path / "kubeconfig").write_bytes(cluster.kubeconfig)
    kubectl = Kubectl(tmp_path)
    await kubectl("create", "namespace", "test")
    yield kubectl


def columns(text: str) -> list[list[str]]:
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]


async def test_the_context_is_called_as_the_cluster(kubectl: Kubectl) -> None:
    assert (await kubectl("config", "current-context")).strip() == "local"
    assert "jackstay" in await kubectl("version")


async def test_it_lists_kinds_and_versions(kubectl: Kubectl) -> None:
    listed = await kubectl("api-resources", "-o", "name")
    assert {"services", "links.multicluster.linkerd.io", "endpointslices.discovery.k8s.io"} <= set(
        listed.split()
    )
    assert "multicluster.linkerd.io/v1alpha3" in (await kubectl("api-versions")).split()


async def test_get_in_all_its_forms(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=SERVICE)
    head, row = columns(await kubectl("get", "service"))
    assert head == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert row[:5] == ["web", "ClusterIP", "127.9.0.10", "<none>", "80/TCP,81/TCP"]
    assert "SELECTOR" in await kubectl("get", "svc", "-o", "wide")
    assert (await kubectl("get", "svc", "-o", "name")).split() == ["service/web"]
    assert "clusterIP: 127.9.0.10" in await kubectl("get", "svc", "web", "-o", "yaml")
    assert await kubectl("get", "svc", "web", "-o", "jsonpath={.spec.ports[*].port}") == "80 81"
    custom = await kubectl("get", "svc", "-o", "custom-columns=N:.metadata.name,T:.spec.type")
    assert columns(custom) == [["N", "T"], ["web", "ClusterIP"]]
    assert "kubernetes" in await kubectl("get", "svc", "-A", "--chunk-size=1", "--sort-by=.metadata.name")
    assert "app=web" in await kubectl("get", "svc", "-l", "app=web", "--show-labels")
    assert await kubectl("get", "svc", "--field-selector", "spec.type=LoadBalancer") == ""
    assert "service/web" in await kubectl("get", "all")


async def test_every_kind_has_a_table(kubectl: Kubectl) -> None:
    kinds = "ns,no,svc,ep,endpointslices,secrets,cm,sa,leases,events,pods,deploy,crd,links,ts"
    assert "kube-system" in await kubectl("get", kinds, "-A")


async def test_apply_for_the_first_second_and_third_time(kubectl: Kubectl) -> None:
    assert "created" in await kubectl("apply", "-f", "-", stdin=SERVICE)
    changed = SERVICE.replace("port: 81", "port: 82").replace("8080", "9090")
    assert "configured" in await kubectl("apply", "-f", "-", stdin=changed)
    assert "unchanged" in await kubectl("apply", "-f", "-", stdin=changed)
    spec = (await kubectl.read("svc", "web"))["spec"]
    assert [(port["port"], port["targetPort"]) for port in spec["ports"]] == [(80, 9090), (82, 82)]
    assert spec["clusterIP"] == "127.9.0.10"
    one = re.sub(r", \{name: admin.*\}\]", "]", changed)
    await kubectl("apply", "-f", "-", stdin=one)
    assert len((await kubectl.read("svc", "web"))["spec"]["ports"]) == 1
    assert (await kubectl.run("diff", "-f", "-", stdin=one)).code == 0
    assert (await kubectl.run("diff", "-f", "-", stdin=SERVICE)).code == 1


async def test_a_link_is_applied_described_edited_and_shown(kubectl: Kubectl) -> None:
    for verb in ("created", "unchanged"):
        assert verb in await kubectl("apply", "-f", "-", stdin=LINK)
    assert "configured" in await kubectl("apply", "-f", "-", stdin=LINK.replace("192.0.2.1", "192.0.2.2"))
    assert "Gateway Address:" in await kubectl("describe", "link", "east")
    await kubectl("edit", "link", "east", KUBE_EDITOR="sed -i s/192.0.2.2/192.0.2.3/")
    assert (await kubectl.read("link", "east"))["spec"]["gatewayAddress"] == "192.0.2.3"
    status = '{"status": {"gateway": {"alive": true, "services": 2, "latencyMilliseconds": 7}}}'
    await kubectl("patch", "link", "east", "--subresource=status", "--type=merge", "-p", status)
    assert columns(await kubectl("get", "links"))[1][:4] == ["east", "True", "2", "7ms"]
    assert "accepted media types" in await kubectl.refused("patch", "link", "east", "-p", "{}")


async def test_label_annotate_edit_and_patch(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", stdin=SERVICE)
    await kubectl("label", "svc", "web", "mirror.linkerd.io/exported=true")
    await kubectl("annotate", "svc", "web", "note=x")
    await kubectl("label", "svc", "web", "app-")
    await kubectl("edit", "svc", "web", KUBE_EDITOR="sed -i s/8080/8081/")
    await kubectl("patch", "svc", "web", "-p", '{"spec": {"ports": [{"port": 81, "$patch": "delete"}]}}')
    await kubectl("patch", "svc", "web", "--type=merge", "-p", '{"metadata": {"labels": {"m": "1"}}}')
    operation = '[{"op": "replace", "path": "/spec/ports/0/port", "value": 83}]'
    await kubectl("patch", "svc", "web", "--type=json", "-p", operation)
    found = await kubectl.read("svc", "web")
    assert found["metadata"]["labels"] == {"mirror.linkerd.io/exported": "true", "m": "1"}
    assert found["metadata"]["annotations"] == {"note": "x"}
    assert [(port["port"], port["targetPort"]) for port in found["spec"]["ports"]] == [(83, 8081)]


async def test_create_by_its_own_commands(kubectl: Kubectl) -> None:
    """These send protobuf, from kubectl 1.32 on."""
    await kubectl("create", "service", "clusterip", "s", "--tcp=80:http")
    await kubectl("create", "service", "loadbalancer", "lb", "--tcp=80:8080")
    await kubectl("create", "service", "externalname", "en", "--external-name=example.org")
    await kubectl("create", "configmap", "c", "--from-literal=a=b")
    await kubectl("create", "secret", "generic", "x", "--from-literal=a=b")
    await kubectl("create", "serviceaccount", "app")
    await kubectl("create", "deployment", "d", "--image=example.org/d:1", "--replicas=0", "--port=80")
    assert (await kubectl.read("svc", "s"))["spec"]["ports"][0]["targetPort"] == "http"
    assert "<pending>" in await kubectl("get", "svc", "lb")
    assert (await kubectl.read("cm", "c"))["data"] == {"a": "b"}
    assert (await kubectl.read("secret", "x"))["data"] == {"a": "Yg=="}
    assert (await kubectl.read("deploy", "d"))["spec"]["replicas"] == 0
    await kubectl("expose", "deployment", "d", "--name=e")
    await kubectl("rollout", "restart", "deployment", "d")


async def test_a_token_is_created_and_works(kubectl: Kubectl) -> None:
    await kubectl("create", "serviceaccount", "app")
    token = (await kubectl("create", "token", "app", "--duration=1h")).strip()
    assert token.count(".") == 2
    await kubectl("config", "set-credentials", "app", f"--token={token}")
    await kubectl("get", "svc", "--user=app")
    await kubectl("delete", "serviceaccount", "app")
    assert "Unauthorized" in await kubectl.refused("get", "svc", "--user=app")


async def test_describe_shows_addresses_and_events(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=SERVICE)
    uid = (await kubectl.read("svc", "web"))["metadata"]["uid"]
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "web.1", "namespace": "test"},
        "involvedObject": {"kind": "Service", "namespace": "test", "name": "web", "uid": uid},
        "type": "Warning",
        "reason": "Tested",
        "message": "a message for people",
        "lastTimestamp": "2026-05-01T12:00:00Z",
    }
    await kubectl("create", "-f", "-", stdin=json.dumps(event))
    shown = await kubectl("describe", "svc", "web")
    assert "127.9.0.10" in shown
    assert "a message for people" in shown
    assert columns(await kubectl("get", "events"))[1][1:] == [
        "Warning",
        "Tested",
        "service/web",
        "a message for people",
    ]


async def test_get_with_watch_shows_each_change(kubectl: Kubectl) -> None:
    process = await kubectl.start("get", "svc", "-w")
    assert process.stdout is not None
    try:
        await kubectl("apply", "-f", "-", stdin=SERVICE)
        await kubectl("label", "svc", "web", "a=b")
        async with asyncio.timeout(60):
            lines = [(await process.stdout.readline()).decode().split() for _ in range(3)]
    finally:
        process.terminate()
        await process.communicate()
    assert [line[0] for line in lines] == ["NAME", "web", "web"]


async def test_wait_sees_a_condition(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=LINK)
    waiting = asyncio.create_task(
        kubectl("wait", "link/east", "--for=jsonpath={.status.gateway.alive}=true", "--timeout=30s")
    )
    status = '{"status": {"gateway": {"alive": true}}}'
    await kubectl("patch", "link", "east", "--subresource=status", "--type=merge", "-p", status)
    assert "condition met" in await waiting


async def test_delete_waits_for_finalizers(kubectl: Kubectl) -> None:
    held = LINK.replace("name: east}", "name: east, finalizers: [jackstay.io/mirrors]}")
    await kubectl("apply", "-f", "-", stdin=held)
    process = await kubectl.start("delete", "link", "east", "--wait")
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert b"deleted" in await process.stdout.readline()
    assert process.returncode is None
    assert (await kubectl.read("link", "east"))["metadata"]["deletionTimestamp"]
    release = '[{"op": "remove", "path": "/metadata/finalizers"}]'
    await kubectl("patch", "link", "east", "--type=json", "-p", release)
    async with asyncio.timeout(60):
        await process.communicate()
        assert await process.wait() == 0
    assert "NotFound" in await kubectl.refused("get", "link", "east")


async def test_delete_by_name_label_and_namespace(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=SERVICE)
    await kubectl("create", "configmap", "c")
    assert "deleted" in await kubectl("delete", "svc", "-l", "app=web")
    assert "deleted" in await kubectl("delete", "cm", "--all")
    assert "deleted" in await kubectl("delete", "ns", "test")
    assert "NotFound" in await kubectl.refused("get", "ns", "test")


REFUSED = {
    "logs p": "runs no pods",
    "exec p -- ls": "runs no pods",
    "attach p": "runs no pods",
    "port-forward p 8080:80": "not running",
    "scale deployment d --replicas=2": "there is no 'scale'",
    "apply --server-side -f service.yaml": "server-side apply is not possible",
    "get ingresses": "doesn't have a resource type",
    "create namespace A_B": "must consist of lower case",
    "get svc nothing": "not found",
    "delete ns default": "may not be deleted",
}


async def test_what_it_cannot_do_it_refuses_with_a_sentence(kubectl: Kubectl) -> None:
    (kubectl.home / "service.yaml").write_text(SERVICE)
    await kubectl("run", "p", "--image=example.org/p:1")
    await kubectl("create", "deployment", "d", "--image=example.org/d:1")
    said = {command: await kubectl.refused(*command.split()) for command in REFUSED}
    assert [command for command, sentence in REFUSED.items() if sentence not in said[command]] == [], said


async def test_explain_says_that_there_are_no_schemas(kubectl: Kubectl) -> None:
    assert "has no schemas" in await kubectl("explain", "services")


async def test_a_mistake_is_shown_with_its_field(kubectl: Kubectl) -> None:
    said = await kubectl.refused("apply", "-f", "-", stdin=SERVICE.replace("port: 80,", "port: 99999,"))
    assert "spec.ports[0].port: Invalid value: 99999: must be between 1 and 65535" in said
    assert 'The Service "web" is invalid' in said
