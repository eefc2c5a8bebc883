"""One picture of all ratios: from 1, where we are level, to the left where we are cheaper."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from benchmarks.curves import Bar, Rows, ratios
from benchmarks.paint import INK, one_two_five

KEPT, MISSED, NEUTRAL = "#0072B2", "#C23B22", "#9DB4C0"
_LEFT = 0.07
"""The least ratio that has a place of its own; what is less ends in an arrow."""


def all_ratios(rows: Rows) -> Figure | None:
    bars = ratios(rows)
    if not bars:
        return None
    asked = [one for one in bars if one.bar is not None]
    ordered = asked + [one for one in bars if one.bar is None]
    figure = Figure(
        figsize=(11.5, 1.9 + 0.27 * len(ordered)), layout=ConstrainedLayoutEngine(rect=(0, 0.02, 1, 0.98))
    )
    axes = figure.subplots()
    axes.set_xscale("log")
    places = [-place - (place >= len(asked)) * 0.7 for place in range(len(ordered))]
    for place, one in zip(places, ordered, strict=True):
        _ratio(axes, place, one)
    axes.axvline(1.0, color=INK, lw=1.0)
    axes.set_yticks(places, [one.what for one in ordered], size=8.5)
    axes.set_ylim(places[-1] - 0.7, 0.8)
    axes.set_xlim(left=max(axes.get_xlim()[0], _LEFT), right=axes.get_xlim()[1] * 1.1)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    one_two_five(axes.xaxis)
    axes.set_xlabel("ours by the best peer's: less is better, 1 is level")
    axes.set_title("Every ratio, beside what the design asks for", size=13, pad=26)
    kinds = ((KEPT, "bar kept"), (MISSED, "bar missed"), (NEUTRAL, "no bar in the design"))
    axes.legend(
        handles=[
            *(Patch(color=colour, label=words) for colour, words in kinds),
            Line2D([], [], color=INK, marker="|", ms=12, mew=2.2, ls="", label="the bar"),
            Line2D([], [], color=INK, lw=1, alpha=0.6, label="spread over the rounds"),
        ],
        frameon=False,
        ncols=5,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        fontsize=8.5,
        borderaxespad=0.2,
    )
    return figure


def _ratio(axes: Axes, place: float, one: Bar) -> None:
    colour = {True: KEPT, False: MISSED, None: NEUTRAL}[one.kept]
    axes.barh(place, one.ratio - 1.0, left=1.0, color=colour, height=0.62)
    axes.plot(one.spread, (place, place), color=INK, lw=1, alpha=0.6)
    right = max(one.ratio, one.spread[1], one.bar or 0, 1.0)
    axes.annotate(
        f"{one.ratio:.2f}", (right, place), (6, 0), textcoords="offset points", va="center", size=8.5
    )
    if one.ratio < _LEFT:
        axes.plot(_LEFT * 1.03, place, color="white", marker="<", ms=5)
    if one.bar is not None:
        axes.plot(one.bar, place, color=INK, marker="|", ms=12, mew=2.2)
