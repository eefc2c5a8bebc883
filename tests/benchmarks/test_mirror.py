"""The mirror's benchmark: every row is measured, and says what it says."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.mirror import to_markdown
from benchmarks.mirror_clock import JUMPS, library
from benchmarks.mirror_faults import FAULTS
from benchmarks.mirror_stage import Row

HOUSE = Path(__file__).parents[2]


def test_a_short_run_measures_every_row_and_nothing_is_wrong(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "benchmarks", "mirror", "--quick", "--server", "local"]
    done = subprocess.run(
        [*argv, "--results", str(tmp_path)], capture_output=True, text=True, timeout=240, cwd=HOUSE
    )
    assert done.returncode == 0, done.stderr
    rows = {row["what"]: row for row in json.loads((tmp_path / "mirror.json").read_text())["rows"]}
    assert list(rows) == [
        "first sync",
        "nothing changes",
        "a label changes",
        "readiness changes",
        "endpoints flap",
        "4 Links",
        "4 Links: a label",
        "4 Links, and one whose API server never answers: a label",
        *(f"fault: {fault}" for fault in FAULTS),
        *(f"fault: {jump}" for jump in JUMPS if library() is not None),
    ]
    assert all(row["wrong"] == 0 for row in rows.values())
    assert rows["first sync"]["figures"]["writes_a_service"] == 3
    assert rows["nothing changes"]["figures"]["writes"] == 0
    for what in ("a label changes", "readiness changes"):
        figures = rows[what]["figures"]
        assert figures["changes"] == 20
        assert 0 < figures["p50"] <= figures["p99"] <= figures["most"]
    assert rows["4 Links"]["services"] == 12
    assert (tmp_path / "mirror.md").read_text() in done.stdout


def test_a_row_is_told_in_words() -> None:
    row = Row("real", "first sync", 1000, {"seconds": 8.25, "cpu_seconds": 5.0, "writes_a_service": 3.0})
    assert to_markdown([row], "a machine", "a command").splitlines()[-1] == (
        "| real | first sync | 1,000 | 8.2 s, CPU 5.0 s, 3.00 writes a service | 0 |"
    )
