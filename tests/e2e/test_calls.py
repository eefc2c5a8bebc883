"""The guide's story in two real clusters: install, link, export, call, and who is not let in."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Two
from tests.e2e.site import Failed, eventually

KNOCK = (Path(__file__).parent / "knock.py").read_text()
GREETING = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"
ANCHORS = "/etc/jackstay/trust/ca-bundle.crt"


def test_a_second_apply_changes_nothing(two: Two, installed: dict[str, str]) -> None:
    for site in (two.west, two.east):
        lines = site.apply(installed[site.name]).splitlines()
        assert lines
        assert [line for line in lines if not line.endswith("unchanged")] == []


def test_pods_run_as_nobody_and_restart_never(two: Two, installed: dict[str, str]) -> None:
    for site in (two.west, two.east):
        pods = json.loads(site.kubectl("-n", "jackstay", "get", "pods", "-o", "json"))["items"]
        assert len(pods) == 6  # two gateways, two mirrors, two of the identity service
        for pod in pods:
            (status,) = pod["status"]["containerStatuses"]
            assert (status["ready"], status["restartCount"]) == (True, 0)
            identity = site.kubectl(
                *("-n", "jackstay", "exec", pod["metadata"]["name"], "--"),
                *("python3", "-c", "import os; print(os.getuid(), os.access('/', os.W_OK))"),
            )
            assert identity.split() == ["2102", "False"]


@pytest.mark.parametrize(
    ("account", "question"),
    [
        ("jackstay-gateway", ("get", "secrets", "-n", "jackstay")),
        ("jackstay-gateway", ("update", "services", "-A")),
        ("jackstay-mirror", ("list", "secrets", "-A")),
        ("jackstay-mirror", ("delete", "secrets", "-n", "jackstay")),
        ("jackstay-mirror", ("create", "namespaces")),
        ("jackstay-identity", ("list", "secrets", "-n", "jackstay")),
        ("jackstay-identity", ("get", "secret/jackstay-gateway-tls", "-n", "jackstay")),
        ("jackstay-identity", ("get", "secret/jackstay-identity-issuer", "-n", "test")),
        ("jackstay-identity", ("create", "serviceaccounts", "--subresource=token", "-n", "jackstay")),
        ("jackstay-remote-access", ("list", "secrets", "-A")),
        ("jackstay-remote-access", ("create", "services", "-A")),
        (
            "jackstay-remote-access",
            ("create", "serviceaccounts/jackstay-gateway", "--subresource=token", "-n", "jackstay"),
        ),
    ],
)
def test_nobody_may_do_what_is_not_theirs(
    two: Two, installed: dict[str, str], account: str, question: tuple[str, ...]
) -> None:
    who = f"--as=system:serviceaccount:jackstay:{account}"
    with pytest.raises(Failed, match=r"ended with 1:\nno\n"):
        two.east.kubectl("auth", "can-i", *question, who)


def test_the_mirror_s_endpoints_are_the_gateway_s_address(two: Two, exported: str) -> None:
    assert two.west.mirrored("podinfo-east") == ({exported}, set())
    service = two.west.get("service", "podinfo-east", "test")
    assert service["metadata"]["labels"]["mirror.linkerd.io/cluster-name"] == "east"
    assert [port["port"] for port in service["spec"]["ports"]] == [9898]


def test_gateways_shows_east_alive(two: Two, exported: str) -> None:
    def shown() -> tuple[str, bool, int]:
        (row,) = json.loads(two.jackstay("gateways", "--context", "west", "-o", "json"))
        return row["clusterName"], row["alive"], row["numberOfServices"]

    eventually(lambda: shown() == ("east", True, 1), "the Link's status, which is written once a second")


def test_a_pod_in_west_is_answered_by_east(two: Two, client: str) -> None:
    said = json.loads(two.west.python(client, "test", GREETING, "http://127.0.0.1:7001/"))
    assert said["message"] == "greetings from east"
    pods = two.east.names("pods", "test", "app=podinfo")
    assert said["hostname"] in pods


def test_both_ends_log_the_call_under_one_id(two: Two, client: str) -> None:
    two.west.python(client, "test", GREETING, "http://127.0.0.1:7001/")

    def ids(logs: str) -> set[str]:
        lines = [json.loads(line) for line in logs.splitlines() if line.startswith("{")]
        return {line["id"] for line in lines if line["event"] == "connection.closed"}

    here = ids(two.west.kubectl("-n", "test", "logs", client, "-c", "outbound"))
    assert here
    gateways = ("-l", "app.kubernetes.io/component=gateway", "--tail=-1")
    eventually(
        lambda: here <= ids(two.east.kubectl("-n", "jackstay", "logs", *gateways)),
        "the same ids at the gateway",
    )


def test_a_pod_without_a_certificate_is_refused(two: Two, client: str, exported: str) -> None:
    host, _, port = exported.partition(":")
    files = two.leaf(two.west, two.west.identity("web", "test"), "web")

    def knock(*shown: str) -> str:
        said = two.west.python(client, "test", KNOCK, host, port, ANCHORS, *shown, container="outbound")
        return said.strip()

    assert knock() == "alert TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert knock("".join(Path(file).read_text() for file in files)) == "let in"


def test_plain_http_to_the_mirror_is_refused(two: Two, client: str) -> None:
    """The mirror leads to the gateway itself: without our client's end there is no way in."""
    script = GREETING.replace("print(", "\ntry: print(") + "\nexcept OSError as error: print('refused')"
    said = two.west.python(client, "test", script, "http://podinfo-east.test:9898/")
    assert said.strip() == "refused"


def test_the_gateway_s_admin_port_is_not_public(two: Two, exported: str) -> None:
    ports = two.east.get("service", "jackstay-gateway", "jackstay")["spec"]["ports"]
    assert {port["port"] for port in ports} == {4143, 4191}


REACHED = """
import socket
try:
    for _ in range(20):  # each of them may be told by another resolver
        socket.create_connection(("podinfo-east.test.svc.cluster.local", 9898), timeout=2).close()
    print("reached")
except OSError as error:
    print(error)
"""


def test_the_mirror_follows_the_export(two: Two, client: str, exported: str) -> None:
    label = ("-n", "test", "label", "service", "podinfo")
    two.east.kubectl(*label, "mirror.linkerd.io/exported-")
    eventually(lambda: "podinfo-east" not in two.west.names("service", "test"), "the mirror to go")
    two.east.kubectl(*label, "mirror.linkerd.io/exported=true")
    eventually(lambda: "podinfo-east" in two.west.names("service", "test"), "the mirror to come back")
    eventually(lambda: two.west.mirrored("podinfo-east") == ({exported}, set()), "its endpoints")
    eventually(
        lambda: "greetings from east" in two.west.python(client, "test", GREETING, "http://127.0.0.1:7001/"),
        "a call that is answered again",
    )
    # On a tunnel from before, perhaps. The mirror has another ClusterIP now, and for some seconds the
    # cluster's resolvers still know the old one: whoever needs a new tunnel must be led to the gateway.
    eventually(
        lambda: two.west.python(client, "test", REACHED).strip() == "reached",
        "the mirror's name, to lead to the gateway again",
    )
