"""What all pictures share: a colour for each proxy, and how curves, names and ticks are drawn."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.curves import Curve

COLOURS = {
    "ours": "#0072B2", "haproxy": "#D55E00", "nginx": "#009E73",
    "ghostunnel": "#CC79A7", "envoy": "#B8860B", "direct": "#808080",
}  # fmt: skip
"""Told apart by colour-blind people too (Okabe and Ito)."""

INK, FAINT = "#222222", "#777777"
_APART = 13.0
"""Points between the names of two curves."""

STYLE = {
    "font.family": "DejaVu Sans", "font.size": 10, "text.color": INK, "axes.labelcolor": INK,
    "axes.edgecolor": "#BBBBBB", "axes.titlelocation": "left", "axes.titlesize": 11,
    "axes.titleweight": "bold", "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "axes.axisbelow": True, "grid.color": "#E6E6E6", "grid.linewidth": 0.8,
    "xtick.color": FAINT, "ytick.color": FAINT, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "savefig.dpi": 150, "savefig.facecolor": "white",
}  # fmt: skip


def one_two_five(axis: Axis) -> None:
    """Ticks 1, 2, 5, 10 and so on, and numbers as people write them."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_locator(NullLocator())


def panels(title: str) -> tuple[Figure, tuple[Axes, Axes]]:
    figure = Figure(figsize=(12, 5), layout=ConstrainedLayoutEngine(rect=(0, 0.03, 1, 0.97), wspace=0.06))
    figure.suptitle(title, x=0.01, ha="left", size=13, weight="bold")
    left, right = figure.subplots(1, 2)
    return figure, (left, right)


def lines(axes: Axes, found: Sequence[Curve]) -> None:
    for one in found:
        axes.plot(
            *zip(*one.points, strict=True), color=COLOURS.get(one.way, INK), lw=2, marker="o", ms=4,
            zorder=3 if one.way == "ours" else 2,
        )  # fmt: skip
    axes.margins(x=0.04)


def name(figure: Figure, axes: Axes, found: Sequence[Curve], *, at_left: bool = False) -> None:
    """
    Each curve's name at its right end, or its left end; those that would meet are moved apart.

    Limits must stand: it is a matter of points on the paper.
    """
    end, aside, side = (0, -8, "right") if at_left else (-1, 8, "left")
    figure.draw_without_rendering()
    below = float("-inf")
    for one in sorted(found, key=lambda one: one.points[end][1]):
        height = axes.transData.transform(one.points[end])[1] * 72 / figure.dpi
        below = max(height, below + _APART)
        axes.annotate(
            one.way, one.points[end], (aside, below - height), textcoords="offset points",
            va="center", ha=side, color=COLOURS.get(one.way, INK),
            weight="bold" if one.way == "ours" else "normal",
            annotation_clip=False,
        )  # fmt: skip


def bar_line(axes: Axes, bar: float | None, words: str) -> None:
    if bar is not None:
        axes.axhline(bar, color=INK, lw=1.2, ls=":")
        axes.text(
            0.01,
            bar,
            words.format(bar),
            transform=axes.get_yaxis_transform(),
            size=8.5,
            va="bottom",
            color=INK,
        )


def plain_steps(axes: Axes, steps: Sequence[float], shown: Callable[[float], str]) -> None:
    axes.set_xticks(steps, [shown(step) for step in steps])
    axes.xaxis.set_minor_locator(NullLocator())


def as_bytes(size: float) -> str:
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:g} {name}"
    return f"{size:g} B"
