"""
From samples to rows, and from rows to JSON and Markdown. Pure.

Less is better in every row, and a ratio is ours by the best peer's. A row in which anything went
wrong, with us or with a peer, has no ratio.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.samples import Sample

OURS, DIRECT = "ours", "direct"
_LEGEND = (
    "Less is better. Ratio: ours by the best peer's, of the medians; spread: the least and the greatest "
    "of single rounds. A row with a wrong or missing answer has no ratio."
)


@dataclass(frozen=True, slots=True)
class Measure:
    """One row's definition: which figure of which scenario, and how it is shown."""

    what: str
    unit: str
    scenario: str
    figure: Callable[[Sample], float | None]
    scale: float = 1.0
    bar: float | None = None
    """The ratio, or for memory the value, that DESIGN 3.3 asks for."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    unit: str
    ours: float | None
    peers: dict[str, float | None]
    direct: float | None
    ratio: float | None
    spread: tuple[float, float] | None
    """The least and the greatest ratio of a single round."""
    bar: float | None
    wrong: dict[str, int] = field(default_factory=dict)
    """How many answers of whom were wrong or missing."""


def _gateway(sample: Sample) -> float | None:
    return sample.gateway


def _client(sample: Sample) -> float | None:
    return sample.client


def _both(sample: Sample) -> float | None:
    if sample.gateway is None or sample.client is None:
        return None
    return sample.gateway + sample.client


def _wall(sample: Sample) -> float | None:
    return sample.wall


def _named(name: str) -> Callable[[Sample], float | None]:
    return lambda sample: sample.figures.get(name)


def _tunnels(sample: Sample) -> float | None:
    return sample.tunnels


def _ends(what: str, unit: str, scenario: str, scale: float, bars: dict[str, float]) -> list[Measure]:
    """The four rows of one load: each end, both ends, and the wall clock."""
    return [
        Measure(f"CPU per {what}, gateway's end", unit, scenario, _gateway, scale, bars.get("gateway")),
        Measure(f"CPU per {what}, client's end", unit, scenario, _client, scale),
        Measure(f"CPU per {what}, both ends", unit, scenario, _both, scale, bars.get("both")),
        Measure(f"time per {what}, wall clock", unit, scenario, _wall, scale),
    ]


MEASURES = (
    *_ends("GB downloaded", "s", "download", 1.0, {"gateway": 1.0}),
    *_ends("GB uploaded", "s", "upload", 1.0, {"gateway": 1.0}),
    *_ends("small request on an open connection", "µs", "small request", 1e6, {"gateway": 1.3}),
    *_ends("new application connection", "µs", "new connection", 1e6, {"both": 0.2}),
    Measure("tunnels opened for those connections", "", "new connection", _tunnels),
    Measure("CPU per full mTLS handshake, gateway's end alone", "µs", "handshake", _gateway, 1e6, 1.2),
    Measure(
        "CPU per handshake with a chain never seen before, gateway's end alone",
        "µs",
        "newcomer",
        _gateway,
        1e6,
    ),
    Measure("p50 of a request, 200 handshakes a second arriving", "ms", "storm", _named("p50"), 1e3),
    Measure("p99 of a request, 200 handshakes a second arriving", "ms", "storm", _named("p99"), 1e3, 1.0),
    Measure("handshakes that came in meanwhile", "a second", "storm", _named("rate")),
    Measure("p99 of a request in quiet", "ms", "storm", _named("quiet p99"), 1e3),
    Measure("p99 that the handshakes add", "ms", "storm", _named("added p99"), 1e3),
    Measure("time to the first byte of a new connection", "round trips of 70 ms", "far", _wall, 1.0, 1.0),
    Measure("memory per silent socket, gateway's end", "KiB", "silent socket", _gateway, 1 / 1024, 4.0),
    Measure(
        "memory per held connection at the most, gateway's end alone",
        "KiB",
        "growth",
        _named("most"),
        1 / 1024,
        32.0,
    ),
    Measure("memory per idle connection, gateway's end", "KiB", "idle connection", _gateway, 1 / 1024),
    Measure("memory per idle connection, client's end", "KiB", "idle connection", _client, 1 / 1024),
)


def rows(
    samples: Sequence[Sample], peers: Sequence[str], measures: Iterable[Measure] = MEASURES
) -> list[Row]:
    """The rows for which there are samples of ours. *samples* are in the order of their rounds."""
    scenarios = {sample.scenario for sample in samples if sample.way == OURS}
    measures = [*measures, *_series(samples)]
    return [_row(measure, samples, peers) for measure in measures if measure.scenario in scenarios]


def _series(samples: Sequence[Sample]) -> list[Measure]:
    """A row for each step of what grows."""
    found = []
    for name in dict.fromkeys(
        name for one in samples if one.scenario == "message size" for name in one.figures
    ):
        what = f"CPU per message of {int(name):,} bytes and its echo, both ends"
        found.append(Measure(what, "µs", "message size", _named(name), 1e6))
    for name in dict.fromkeys(name for one in samples if one.scenario == "growth" for name in one.figures):
        what, _, count = name.partition(" ")
        if what == "request":
            row = f"CPU per small request with {int(count):,} connections open, gateway's end alone"
            found.append(Measure(row, "µs", "growth", _named(name), 1e6))
        elif what == "memory":
            row = f"memory per connection with {int(count):,} connections open, gateway's end alone"
            found.append(Measure(row, "KiB", "growth", _named(name), 1 / 1024))
    return found


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
    if known and middle is not None and not wrong and min(known.values()) > 0:
        best = min(known, key=lambda peer: known[peer])
        ratio = middle / known[best]
        by_round = [our / theirs for our, theirs in zip(ours, of_peers[best], strict=False)]
        spread = min(by_round), max(by_round)
    return Row(
        measure.what,
        measure.unit,
        middle,
        middles,
        _median(figures(DIRECT)),
        ratio,
        spread,
        measure.bar,
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
            "unit": row.unit,
            "ours": _rounded(row.ours),
            "peers": {peer: _rounded(figure) for peer, figure in row.peers.items()},
            "direct": _rounded(row.direct),
            "ratio": _rounded(row.ratio),
            "spread": row.spread and [_rounded(end) for end in row.spread],
            "bar": row.bar,
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
    return [
        row.what,
        row.unit,
        _shown(row.ours),
        *(_shown(row.peers.get(peer)) for peer in peers),
        _shown(row.direct),
        f"**{row.ratio:.2f}**" if row.ratio is not None else "",
        spread,
        f"{row.bar:g}" if row.bar is not None else "",
    ]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _shown(figure: float | None) -> str:
    if figure is None:
        return ""
    return f"{figure:.2f}" if figure < 10 else f"{figure:.1f}" if figure < 100 else f"{figure:,.0f}"


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else float(f"{figure:.4g}")
