"""The table of gateways, as scripts know it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from cli.gateways import Row, as_objects, outdated, rows, table, unknown
from cluster.objects import Link, Metadata


def link(cluster: str, gateway: dict[str, Any] | None = None, address: str = "203.0.113.7") -> Link:
    spec = {"targetClusterName": cluster, "gatewayAddress": address}
    return Link(Metadata(cluster, "jackstay"), spec, {"gateway": gateway} if gateway else {})


EAST = link("east", {"alive": True, "services": 12, "latencyMilliseconds": 7})
GONE = link("asia", {"alive": False, "services": 1, "latencyMilliseconds": 9})


def test_a_row_is_what_the_status_of_the_link_says() -> None:
    assert rows([EAST]) == [Row("east", True, 12, 7)]


def test_a_dead_gateway_has_no_latency_and_rows_are_sorted() -> None:
    assert rows([EAST, GONE]) == [Row("asia", False, 1, None), Row("east", True, 12, 7)]


def test_a_link_that_was_never_probed_is_shown_as_dead() -> None:
    assert rows([link("new")]) == [Row("new", False, 0, None)]


def test_a_link_without_a_gateway_has_no_row() -> None:
    assert rows([link("flat", address="")]) == []


def test_the_table_has_the_columns_that_scripts_cut_at() -> None:
    assert table(rows([EAST, GONE])).splitlines() == [
        "CLUSTER  ALIVE    NUM_SVC      LATENCY",
        "asia     False          1            -",
        "east     True          12          7ms",
    ]


def test_the_objects_have_the_keys_that_scripts_know() -> None:
    assert as_objects(rows([EAST])) == [
        {"clusterName": "east", "alive": True, "numberOfServices": 12, "latency": 7}
    ]


def test_what_no_mirror_has_looked_at_for_a_minute_is_no_news() -> None:
    now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    assert outdated(now - timedelta(seconds=20), now, "jackstay") == ""
    assert outdated(now - timedelta(minutes=2), now, "jackstay") == (
        "no mirror has looked since 2026-11-23 11:58:00 UTC: does jackstay-mirror run in namespace jackstay?"
    )
    assert outdated(None, now, "here") == (
        "no mirror has looked ever: does jackstay-mirror run in namespace here?"
    )


def test_a_name_that_is_none_brings_those_that_are() -> None:
    assert unknown("esat", [Row("east", True, 1, 2)], "jackstay").hint == "There are Links to: east"
    assert unknown("east", [], "jackstay").hint.startswith("Make one: jackstay link --context east")
