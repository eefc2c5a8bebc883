"""What the pictures show, read from the rows of a JSON. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Rows = Sequence[dict[str, Any]]
"""Rows as `table.to_json` has written them, read again."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One proxy's points, from left to right."""

    way: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One row's ratio, with the least and the greatest of a round, and where the design's bar is."""

    what: str
    ratio: float
    spread: tuple[float, float]
    bar: float | None

    @property
    def kept(self) -> bool | None:
        """Whether the design's bar is kept; None where there is none."""
        return None if self.bar is None else self.ratio <= self.bar


def curves(rows: Rows, series: str) -> list[Curve]:
    """The curves of a series, ours first; whose figure is wrong or missing has no point there."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row.get("series") == series:
            for way, figure in _figures(row):
                found.setdefault(way, []).append((float(row["at"]), figure))
    return [Curve(way, tuple(sorted(points))) for way, points in found.items()]


def bar_of(rows: Rows, what: str) -> float | None:
    """The design's bar of the first row whose name begins so, in that row's unit."""
    return next((row["bar"] for row in rows if row["what"].startswith(what)), None)


def figures(rows: Rows, what: str) -> list[tuple[str, float]]:
    """Whose figure is what, in the row of that name; empty if there is none."""
    return next((list(_figures(row)) for row in rows if row["what"] == what), [])


def ratios(rows: Rows) -> list[Bar]:
    """Every ratio that is no point of a curve or has a bar, as the rows stand."""
    return [
        Bar(row["what"], row["ratio"], (row["spread"][0], row["spread"][1]), _bar_as_ratio(row))
        for row in rows
        if row["ratio"] and (not row.get("series") or row["bar"] is not None)
    ]


def _bar_as_ratio(row: dict[str, Any]) -> float | None:
    """A bar in the row's own unit, by the best peer's figure, so that it stands beside the ratio."""
    bar: float | None = row["bar"]
    if bar is None or row.get("bar of") != "value":
        return bar
    return float(bar * row["ratio"] / row["ours"])


def _figures(row: dict[str, Any]) -> Iterable[tuple[str, float]]:
    for way, figure in {"ours": row["ours"], **row["peers"], "direct": row["direct"]}.items():
        if figure and way not in row["wrong"]:
            yield way, figure
