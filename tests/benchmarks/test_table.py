"""Rows from samples: what counts, and when there is no ratio."""

import json

from benchmarks.samples import Sample
from benchmarks.table import rows, to_json, to_markdown

PEERS = ("haproxy", "nginx")


def sample(way: str, gateway: float | None, *, wrong: int = 0) -> Sample:
    return Sample("handshake", way, gateway, None, None, wrong)


THREE_ROUNDS = [
    *(sample("ours", 0.002), sample("haproxy", 0.004), sample("nginx", 0.001)),
    *(sample("ours", 0.003), sample("haproxy", 0.004), sample("nginx", 0.002)),
    *(sample("ours", 0.004), sample("haproxy", 0.004), sample("nginx", 0.002)),
]


def test_the_ratio_is_of_medians_and_by_the_best_peer() -> None:
    [row] = rows(THREE_ROUNDS, PEERS)
    assert row.ours == 3000.0
    assert row.peers == {"haproxy": 4000.0, "nginx": 2000.0}
    assert row.ratio == 1.5
    assert row.spread == (1.5, 2.0)


def test_one_wrong_answer_of_anybody_leaves_no_ratio() -> None:
    [row] = rows([*THREE_ROUNDS, sample("nginx", 0.002, wrong=1)], PEERS)
    assert row.ratio is None
    assert row.spread is None
    assert row.wrong == {"nginx": 1}


def test_without_peers_there_is_a_row_and_no_ratio() -> None:
    [row] = rows([sample("ours", 0.002)], ())
    assert row.ours == 2000.0
    assert row.ratio is None


def test_a_scenario_that_was_not_run_has_no_row() -> None:
    assert rows([sample("haproxy", 0.002)], PEERS) == []


def test_json_is_a_list_of_rows_that_say_where_they_were_measured() -> None:
    [row] = json.loads(to_json(rows(THREE_ROUNDS, PEERS), "2 CPUs"))
    assert row["what"].startswith("CPU per full mTLS handshake")
    assert (row["unit"], row["ours"], row["ratio"], row["spread"]) == ("µs", 3000.0, 1.5, [1.5, 2.0])
    assert row["peers"] == {"haproxy": 4000.0, "nginx": 2000.0}
    assert row["machine"] == "2 CPUs"


def test_markdown_shows_the_ratio_or_who_was_wrong() -> None:
    good = to_markdown(rows(THREE_ROUNDS, PEERS), PEERS, "2 CPUs", "make bench")
    assert "| 3,000 | 4,000 | 2,000 |  | **1.50** | 1.50 to 2.00 | 1.2 |" in good
    spoiled = rows([*THREE_ROUNDS, sample("ours", None, wrong=7)], PEERS)
    assert "wrong: ours 7" in to_markdown(spoiled, PEERS, "2 CPUs", "make bench")
