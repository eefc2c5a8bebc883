"""
From samples to rows, and from rows to JSON and Markdown. Pure.

A ratio is ours by the best peer's, where less is better: rates and counts have none, nor has a row in
which anything went wrong, with us or with a peer.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.measures import MEASURES, Measure, series
from benchmarks.samples import Sample

OURS, DIRECT = "ours", "direct"
_LEGEND = (
    "Less is better. Ratio: ours by the best peer's, of the medians; spread: the least and the greatest "
    "of single rounds; rates and counts have none. A row with a wrong or missing answer has no ratio."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    ours: float | None
    peers: dict[str, float | None]
    direct: float | None
    ratio: float | None
    spread: tuple[float, float] | None
    """The least and the greatest ratio of a single round."""
    measure: Measure
    wrong: dict[str, int] = field(default_factory=dict)
    """How many answers of whom were wrong or missing."""

    @property
    def what(self) -> str:
        return self.measure.what


def rows(
    samples: Sequence[Sample], peers: Sequence[str], measures: Iterable[Measure] = MEASURES
) -> list[Row]:
    """The rows for which there are samples of ours. *samples* are in the order of their rounds."""
    scenarios = {sample.scenario for sample in samples if sample.way == OURS}
    measures = [*measures, *series(samples)]
    return [_row(measure, samples, peers) for measure in measures if measure.scenario in scenarios]


def _row(measure: Measure, samples: Sequence[Sample], peers: Sequence[str]) -> Row:
    def figures(way: str) -> list[float]:
        found = (measure.figure(sample) for sample in samples if _is(sample, measure, way))
        return [figure * measure.scale for figure in found if figure is not None]

    wrong: dict[str, int] = {}
    for sample in samples:
        if sample.scenario == measure.scenario and sample.wrong:
            wrong[sample.way] = wrong.get(sample.way, 0) + sample.wrong
    ours = figures(OURS)
    of_peers = {peer: figures(peer) for peer in peers}
    middles = {peer: _median(found) for peer, found in of_peers.items()}
    known = {peer: middle for peer, middle in middles.items() if middle}
    ratio = spread = None
    middle = _median(ours)
    if measure.compared and known and middle is not None and not wrong and min(known.values()) > 0:
        best = min(known, key=lambda peer: known[peer])
        ratio = middle / known[best]
        by_round = [our / theirs for our, theirs in zip(ours, of_peers[best], strict=False)]
        spread = min(by_round), max(by_round)
    return Row(
        middle,
        middles,
        _median(figures(DIRECT)),
        ratio,
        spread,
        measure,
        wrong,
    )


def _is(sample: Sample, measure: Measure, way: str) -> bool:
    return sample.scenario == measure.scenario and sample.way == way


def _median(figures: Sequence[float]) -> float | None:
    return median(figures) if figures else None


def to_json(table: Iterable[Row], machine: str) -> str:
    """A list of rows; every row says where it was measured."""
    listed = [
        {
            "what": row.what,
            "unit": row.measure.unit,
            "ours": _rounded(row.ours),
            "peers": {peer: _rounded(figure) for peer, figure in row.peers.items()},
            "direct": _rounded(row.direct),
            "ratio": _rounded(row.ratio),
            "spread": row.spread and [_rounded(end) for end in row.spread],
            "bar": row.measure.bar,
            "bar of": row.measure.bar_of if row.measure.bar is not None else None,
            "series": row.measure.series or None,
            "at": row.measure.at,
            "wrong": row.wrong,
            "machine": machine,
        }
        for row in table
    ]
    return json.dumps(listed, indent=1, ensure_ascii=False) + "\n"


def to_markdown(table: Sequence[Row], peers: Sequence[str], machine: str, command: str) -> str:
    heads = ["what", "unit", "ours", *peers, "direct", "ratio", "spread of the ratio", "bar"]
    lines = [
        f"`{command}`, on {machine}.",
        "",
        _LEGEND,
        "",
        _line(heads),
        _line(["---", "---", *["--:"] * (len(heads) - 2)]),
        *(_line(_cells(row, peers)) for row in table),
    ]
    return "\n".join(lines) + "\n"


def _cells(row: Row, peers: Sequence[str]) -> list[str]:
    spread = f"{row.spread[0]:.2f} to {row.spread[1]:.2f}" if row.spread else ""
    if row.wrong:
        spread = "wrong: " + ", ".join(f"{way} {count}" for way, count in row.wrong.items())
    bar = row.measure.bar
    return [
        row.what,
        row.measure.unit,
        _shown(row.ours),
        *(_shown(row.peers.get(peer)) for peer in peers),
        _shown(row.direct),
        f"**{row.ratio:.2f}**" if row.ratio is not None else "",
        spread,
        f"{bar:g}" if bar is not None else "",
    ]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _shown(figure: float | None) -> str:
    if figure is None:
        return ""
    return f"{figure:.2f}" if figure < 10 else f"{figure:.1f}" if figure < 100 else f"{figure:,.0f}"


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else float(f"{figure:.4g}")
