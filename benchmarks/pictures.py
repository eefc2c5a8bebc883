"""The pictures of a run, with matplotlib."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from benchmarks.curves import Curve, Rows, bar_of, curves, figures
from benchmarks.paint import (
    COLOURS,
    FAINT,
    INK,
    STYLE,
    as_bytes,
    bar_line,
    lines,
    name,
    one_two_five,
    panels,
    plain_steps,
)
from benchmarks.ratio_chart import all_ratios


def draw(rows: Rows, stem: Path) -> list[Path]:
    """The pictures for which *rows* have figures, at *stem* and a word each."""
    made = []
    with style.context(STYLE):
        for word, picture in (
            ("growth", growth), ("messages", messages), ("latency", latency), ("ratios", all_ratios),
        ):  # fmt: skip
            figure = picture(rows)
            if figure is not None:
                figure.text(0.01, 0.006, str(rows[0]["machine"]), size=6.5, color=FAINT)
                made.append(stem.with_name(f"{stem.name}-{word}.png"))
                figure.savefig(made[-1])
    return made


def growth(rows: Rows) -> Figure | None:
    memory, cpu = curves(rows, "growth, memory"), curves(rows, "growth, CPU")
    if not memory:
        return None
    figure, (left, right) = panels("As more and more connections are held open: the gateway's end alone")
    lines(left, memory)
    bar_line(left, bar_of(rows, "memory per held connection"), "the design's bar: {:g} KiB")
    left.set(title="Memory per connection", ylabel="KiB (PSS)")
    lines(right, cpu)
    right.set(title="CPU per small request of 128 bytes", ylabel="µs")
    for axes in (left, right):
        axes.set(xlabel="connections held open", xscale="log")
        axes.set_ylim(bottom=0)
        plain_steps(axes, [at for at, _ in memory[0].points], lambda at: f"{at:,.0f}")
    name(figure, left, memory)
    name(figure, right, cpu)
    return figure


def messages(rows: Rows) -> Figure | None:
    found = curves(rows, "message size")
    if not found:
        return None
    figure = Figure(figsize=(8.5, 5.6), layout=ConstrainedLayoutEngine(rect=(0, 0.03, 1, 0.97)))
    axes = figure.subplots()
    axes.set(xscale="log", yscale="log")
    lines(axes, found)
    axes.set_title("CPU per message and its echo, both ends together", size=13, pad=12)
    axes.set(xlabel="bytes of the message", ylabel="µs")
    plain_steps(axes, [at for at, _ in found[0].points], as_bytes)
    one_two_five(axes.yaxis)
    axes.set_xlim(left=found[0].points[0][0] / 4)  # room for the names, where the curves are apart
    name(figure, axes, found, at_left=True)
    return figure


def latency(rows: Rows) -> Figure | None:
    stormy, quiet = curves(rows, "storm"), curves(rows, "quiet")
    far = figures(rows, "time to the first byte of a new connection")
    if not stormy and not far:
        return None
    figure, (left, right) = panels("Latency, through both ends")
    if stormy:
        _percentiles(figure, left, stormy, quiet)
    else:
        left.set_visible(False)
    if far:
        _far(right, far, bar_of(rows, "time to the first byte"))
    else:
        right.set_visible(False)
    return figure


def _percentiles(figure: Figure, axes: Axes, stormy: Sequence[Curve], quiet: Sequence[Curve]) -> None:
    """Percentiles stand by how rare what lies beyond them is: 50, 90, 99, 99.9 in equal steps."""
    shares = [at for at, _ in stormy[0].points]
    place = {share: float(number) for number, share in enumerate(shares)}

    def placed(found: Sequence[Curve]) -> list[Curve]:
        return [Curve(one.way, tuple((place[at], ms) for at, ms in one.points)) for one in found]

    axes.set_yscale("log")
    lines(axes, placed(stormy))
    for one in placed(quiet):
        axes.plot(*zip(*one.points, strict=True), color=COLOURS.get(one.way, INK), lw=1.2, ls=(0, (4, 3)))
    axes.plot([], [], color=FAINT, lw=2, label="200 new handshakes a second arriving")
    axes.plot([], [], color=FAINT, lw=1.2, ls=(0, (4, 3)), label="in quiet")
    axes.legend(frameon=False, loc="upper left", fontsize=8.5)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * 2.2)  # room for the legend
    axes.set(title="A request of 128 bytes on an open connection", xlabel="percentile", ylabel="ms")
    axes.set_xticks(list(place.values()), [f"p{share:g}" for share in shares])
    one_two_five(axes.yaxis)
    name(figure, axes, placed(stormy))


def _far(axes: Axes, found: Sequence[tuple[str, float]], bar: float | None) -> None:
    ordered = list(reversed(found))
    names = [way for way, _ in ordered]
    shown = axes.barh(
        names, [trips for _, trips in ordered], color=[COLOURS[way] for way in names], height=0.6
    )
    axes.bar_label(shown, [f"{trips:.2f}" for _, trips in ordered], padding=4)
    if bar is not None:
        axes.axvline(bar, color=INK, lw=1.2, ls=":")
        axes.text(bar, len(names) - 0.45, f" the design's bar: {bar:g}", size=8.5, color=INK, va="bottom")
    axes.set_ylim(-0.6, len(names) - 0.1)
    axes.grid(visible=False, axis="y")
    axes.set(title="To the first byte of a new connection, 70 ms away", xlabel="round trips of 70 ms")
    axes.tick_params(axis="y", length=0)
