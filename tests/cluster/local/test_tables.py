from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cluster import kinds
from cluster.kinds import Kind
from cluster.local.resources import RESOURCES
from cluster.local.tables import age, table
from cluster.metadata import time_text

ROWS = {row.kind: row for row in RESOURCES}
NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def cells(kind: Kind, **body: Any) -> list[object]:
    item = {"metadata": {"name": "x", "creationTimestamp": time_text(NOW - timedelta(minutes=5))}, **body}
    shown: list[object] = table(ROWS[kind].columns, [item], NOW, "None", {})["rows"][0]["cells"]
    return shown


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        ({"seconds": 7}, "7s"),
        ({"seconds": 119}, "119s"),
        ({"seconds": 200}, "3m20s"),
        ({"minutes": 42}, "42m"),
        ({"hours": 4, "minutes": 30}, "4h30m"),
        ({"hours": 30}, "30h"),
        ({"days": 3, "hours": 2}, "3d2h"),
        ({"days": 40}, "40d"),
        ({"days": 800}, "2y70d"),
        ({"seconds": -5}, "0s"),
    ],
)
def test_age_is_written_as_kubectl_does(ago: dict[str, int], text: str) -> None:
    assert age(time_text(NOW - timedelta(**ago)), NOW) == text


def test_age_without_a_time() -> None:
    assert age(None, NOW) == "<unknown>"


LINK_STATUS = {
    "conditions": [{"type": "GatewayAlive", "status": "True"}, {"type": "Synced", "status": "False"}],
    "gateway": {"alive": True, "services": 3, "latencyMilliseconds": 7},
}
INGRESS = {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}, {"hostname": "a.b"}]}}


@pytest.mark.parametrize(
    ("kind", "body", "shown"),
    [
        (kinds.NAMESPACE, {"status": {"phase": "Active"}}, ["x", "Active", "5m"]),
        (
            kinds.SERVICE,
            {
                "spec": {
                    "type": "ClusterIP",
                    "clusterIP": "127.0.9.10",
                    "ports": [{"port": 80, "protocol": "TCP"}],
                }
            },
            ["x", "ClusterIP", "127.0.9.10", "<none>", "80/TCP", "5m", "<none>"],
        ),
        (
            kinds.SERVICE,
            {"spec": {"type": "LoadBalancer", "selector": {"a": "b"}}},
            ["x", "LoadBalancer", "<none>", "<pending>", "<none>", "5m", "a=b"],
        ),
        (
            kinds.SERVICE,
            {"spec": {"type": "LoadBalancer"}, "status": INGRESS},
            ["x", "LoadBalancer", "<none>", "1.2.3.4,a.b", "<none>", "5m", "<none>"],
        ),
        (
            kinds.ENDPOINTS,
            {"subsets": [{"addresses": [{"ip": f"10.0.0.{n}"} for n in range(5)], "ports": [{"port": 80}]}]},
            ["x", "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80 + 2 more...", "5m"],
        ),
        (
            kinds.ENDPOINT_SLICE,
            {"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": [{"addresses": ["10.0.0.1"]}]},
            ["x", "IPv4", "80", "10.0.0.1", "5m"],
        ),
        (kinds.SECRET, {"type": "Opaque", "data": {"a": "", "b": ""}}, ["x", "Opaque", 2, "5m"]),
        (
            kinds.POD,
            {
                "spec": {"containers": [{}, {}]},
                "status": {"phase": "Running", "containerStatuses": [{"ready": True, "restartCount": 2}]},
            },
            ["x", "1/2", "Running", 2, "5m", "<none>", "<none>"],
        ),
        (
            kinds.LINK,
            {"spec": {"gatewayAddress": "1.2.3.4"}, "status": LINK_STATUS},
            ["x", "True", 3, "7ms", "False", "5m", "1.2.3.4"],
        ),
        (kinds.LINK, {"spec": {}}, ["x", "Unknown", 0, "-", "Unknown", "5m", "<none>"]),
        (
            kinds.LINK,
            {"status": {"gateway": {"alive": False}}},
            ["x", "False", 0, "-", "Unknown", "5m", "<none>"],
        ),
    ],
    ids=repr,
)
def test_what_kubectl_get_shows(kind: Kind, body: dict[str, Any], shown: list[object]) -> None:
    assert cells(kind, **body) == shown


def test_a_status_of_odd_form_does_not_hide_the_others() -> None:
    assert cells(kinds.POD, spec={}, status={"containerStatuses": 7})[1] == "<unknown>"


def test_rows_carry_as_much_of_the_object_as_was_asked_for() -> None:
    item = {"metadata": {"name": "x"}, "spec": {}}
    rows = [
        table(ROWS[kinds.LEASE].columns, [item], NOW, how, {})["rows"][0]
        for how in ("None", "Metadata", "Object")
    ]
    assert [row.get("object", {}).get("kind") for row in rows] == [None, "PartialObjectMetadata", None]
    assert rows[2]["object"] is item
