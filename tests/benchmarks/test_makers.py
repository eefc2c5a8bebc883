"""The load makers of others: what they are told, how their answer is read, and a short real run."""

import json

import pytest

from benchmarks.direct import DIRECT
from benchmarks.http_answers import KEPT, LAST, answers
from benchmarks.makers import TOOLS, Tool, iperf3_argv, iperf3_outcome, wrk_argv, wrk_outcome
from benchmarks.ours import OURS
from benchmarks.peers import at_hand
from benchmarks.run import run
from benchmarks.scenarios import SCENARIOS, chosen
from benchmarks.table import rows
from tests.benchmarks.sizes import TINY

GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
CLOSE = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
BY_OTHERS = [scenario for scenario in SCENARIOS if scenario.program]


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (b"", (b"", b"", True)),
        (GET[:-1], (b"", GET[:-1], True)),
        (GET, (KEPT, b"", True)),
        (GET + GET + b"GE", (KEPT + KEPT, b"GE", True)),
        (CLOSE, (LAST, b"", False)),
    ],
)
def test_each_whole_request_is_answered(held: bytes, expected: tuple[bytes, bytes, bool]) -> None:
    assert answers(held) == expected


def test_wrk_is_told_where_for_how_long_and_whether_to_close() -> None:
    kept = wrk_argv(("127.1.2.3", 80), 5, 32, "report.lua", close=False)
    assert kept[1:] == ["-t", "1", "-c", "32", "-d", "5s", "-s", "report.lua", "http://127.1.2.3:80/"]
    assert "Connection: close" in wrk_argv(("127.1.2.3", 80), 5, 32, "report.lua", close=True)


def test_wrks_last_line_is_what_it_has_done() -> None:
    outcome = wrk_outcome('Running 1s test\n\n{"requests": 100, "microseconds": 500000, "wrong": 2}\n')
    assert (outcome.right, outcome.wrong, outcome.seconds) == (100, 2, 0.5)


def test_iperf3_is_told_where_how_much_and_which_way() -> None:
    up = iperf3_argv(("127.1.2.3", 5201), 1000, down=False)
    assert up[1:] == ["--json", "--client", "127.1.2.3", "--port", "5201", "--bytes", "1000"]
    assert iperf3_argv(("127.1.2.3", 5201), 1000, down=True) == [*up, "--reverse"]


def test_what_iperf3_has_received_counts_and_its_error_is_one() -> None:
    outcome = iperf3_outcome(json.dumps({"end": {"sum_received": {"bytes": 10, "seconds": 0.5}}}))
    assert (outcome.right, outcome.wrong, outcome.seconds) == (10, 0, 0.5)
    with pytest.raises(OSError, match="the server is busy"):
        iperf3_outcome(json.dumps({"error": "the server is busy"}))


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.program)
def test_a_short_run_with_ours_and_all_peers_is_right(tool: Tool) -> None:
    if not tool.here:
        pytest.skip(f"{tool.program} is not here: apt-get install {tool.package}")
    here, _ = at_hand()
    scenarios = [scenario for scenario in BY_OTHERS if scenario.program == tool.program]
    names = [peer.name for peer in here]
    table = rows(run([OURS, *here, DIRECT], TINY, scenarios=scenarios, say=lambda _: None), names)
    assert table
    for row in table:
        assert not row.wrong, row
        assert row.ours is not None, row
        assert [name for name in names if row.peers[name] is None] == []


def test_a_quick_run_has_no_rows_by_others() -> None:
    assert {scenario.name for scenario in chosen("", full=False)}.isdisjoint(one.name for one in BY_OTHERS)
