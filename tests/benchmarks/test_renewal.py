import json
import subprocess
import sys
from pathlib import Path

from benchmarks.renewal import Wave, to_markdown

HOUSE = Path(__file__).parents[2]
WAVE = Wave("renewal 1", 1000, 3.5, 1.75, 3.4, 2, 2.5, 0.5, 3.0, 64 * 2**20)


def test_a_run_renews_all_and_writes_what_it_took(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "renewal", "--proxies", "3", "--results", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=HOUSE,
    )
    assert done.returncode == 0, done.stderr
    waves = json.loads((tmp_path / "renewal.json").read_text())["waves"]
    assert [wave["what"] for wave in waves] == ["first certificates", "renewal 1", "renewal 2", "renewal 3"]
    for wave in waves:
        assert (wave["proxies"], wave["failures"]) == (3, 0)
        assert 0 < wave["median_seconds"] <= wave["p99_seconds"] <= wave["seconds"]
        assert min(wave["service_cpu"], wave["api_cpu"], wave["proxies_cpu"]) > 0
        assert wave["service_memory"] > 10 * 2**20
    assert (tmp_path / "renewal.md").read_text() in done.stdout


def test_a_row_shows_what_one_certificate_costs_the_service() -> None:
    row = to_markdown([WAVE], "a machine", "a command").splitlines()[-1]
    assert row == (
        "| renewal 1 | 1,000 | 3.50 s | 1.75 s | 3.40 s | 2 | 2.50 ms | 2.50 s | 0.50 s | 3.00 s | 64 MiB |"
    )
