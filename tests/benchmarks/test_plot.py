"""Curves and ratios from rows, and pictures of them where matplotlib is installed."""

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.curves import Curve, curves, figures, ratios
from benchmarks.plot import HOW_TO, plot
from benchmarks.samples import PERCENTILES, Sample
from benchmarks.table import rows, to_json

PEERS = ("haproxy", "nginx")
WAYS = ("ours", *PEERS)


def written(samples: list[Sample]) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = json.loads(to_json(rows(samples, PEERS), "2 CPUs"))
    return read


def sample(scenario: str, way: str, by: float, **figures: float) -> Sample:
    return Sample(scenario, way, by, by, by, figures=figures)


def everything() -> list[Sample]:
    """A round with a figure for each row of the pictures."""
    made = []
    for by, way in enumerate(WAYS, start=1):
        storm = {f"{when}p{at:g}": by * at / 1e5 for when in ("", "quiet ") for at in PERCENTILES}
        growth = {f"{what} {count}": by * 30_000.0 for what in ("memory", "request") for count in (100, 8000)}
        made += [
            replace(sample("growth", way, by), figures={**growth, "most": by * 30_000.0}),
            replace(sample("message size", way, by), figures={"1": by * 1e-4, "1048576": by * 1e-2}),
            replace(sample("storm", way, by), figures={**storm, "rate": 200.0, "added p99": 0.01 * by}),
            *(sample(name, way, float(by)) for name in ("download", "handshake", "silent socket", "far")),
        ]
    return made


def test_a_curve_goes_from_left_to_right_through_its_series() -> None:
    found = curves(written(everything()), "message size")
    assert found[0] == Curve("ours", ((1.0, 100.0), (1048576.0, 10000.0)))
    assert [curve.way for curve in found] == list(WAYS)


def test_whose_answers_were_wrong_has_no_point() -> None:
    spoiled = [replace(one, wrong=int(one.way == "nginx")) for one in everything()]
    assert [curve.way for curve in curves(written(spoiled), "growth, memory")] == ["ours", "haproxy"]


def test_a_bar_of_a_value_is_shown_where_the_ratio_would_be_with_that_value() -> None:
    far = [sample("far", "ours", 1.5), sample("far", "haproxy", 3.0), sample("far", "nginx", 4.0)]
    [bar] = ratios(written(far))
    assert (bar.ratio, bar.kept) == (0.5, False)
    assert bar.bar == pytest.approx(1 / 3)
    assert figures(written(far), bar.what) == [("ours", 1.5), ("haproxy", 3.0), ("nginx", 4.0)]


def test_points_of_curves_are_no_bars_unless_the_design_asks_for_them() -> None:
    names = [bar.what for bar in ratios(written(everything()))]
    assert "p99 of a request, 200 handshakes a second arriving" in names
    assert not [name for name in names if name.startswith(("p50", "CPU per message"))]


def test_pictures_are_drawn_beside_the_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if find_spec("matplotlib") is None:
        pytest.skip(HOW_TO)
    (tmp_path / "full.json").write_text(json.dumps(written(everything())))
    assert main(["plot", str(tmp_path / "full.json")]) == 0
    drawn = sorted(path.name for path in tmp_path.glob("*.png"))
    assert drawn == ["full-growth.png", "full-latency.png", "full-messages.png", "full-ratios.png"]
    assert capsys.readouterr().out.count("drawn: ") == 4


def test_without_figures_there_is_no_picture(tmp_path: Path) -> None:
    if find_spec("matplotlib") is None:
        pytest.skip(HOW_TO)
    (tmp_path / "full.json").write_text("[]")
    assert plot(tmp_path / "full.json") == []


def test_without_matplotlib_one_sentence_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.plot.find_spec", lambda _: None)
    assert plot(tmp_path / "full.json") == []
    assert capsys.readouterr().out == f"{HOW_TO}\n"
