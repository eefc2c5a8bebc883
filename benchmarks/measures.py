"""The rows of the table: each is one figure of one scenario, with its unit and the design's bar."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.samples import PERCENTILES, Sample


@dataclass(frozen=True, slots=True)
class Measure:
    """One row's definition: which figure of which scenario, and how it is shown."""

    what: str
    unit: str
    scenario: str
    figure: Callable[[Sample], float | None]
    scale: float = 1.0
    bar: float | None = None
    """What DESIGN 3.3 asks for: of the ratio, or in the row's own unit."""
    bar_of: Literal["ratio", "value"] = "ratio"
    series: str = ""
    """What this row is one point of, and where it stands there."""
    at: float | None = None
    compared: bool = True
    """False for what is not better when it is less: a rate, a count."""


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


def _percentiles(prefix: str, when: str, name: str, bars: dict[float, float]) -> list[Measure]:
    return [
        Measure(
            f"p{at:g} of a request{when}",
            "ms",
            "storm",
            _named(f"{prefix}{at:g}"),
            1e3,
            bars.get(at),
            series=name,
            at=at,
        )
        for at in PERCENTILES
    ]


def _throughput(scenario: str) -> list[Measure]:
    """What a gateway's end does in a second, and what it costs: handshakes, then bytes."""
    return [
        Measure(f"handshakes, {scenario}", "a second", scenario, _named("handshakes"), compared=False),
        Measure(f"CPU per handshake, {scenario}", "µs", scenario, _named("handshake"), 1e6),
        Measure(f"download, {scenario}", "GB a second", scenario, _named("bytes"), 1e-9, compared=False),
        Measure(f"CPU per GB downloaded, {scenario}", "s", scenario, _named("byte"), 1e9),
    ]


MEASURES = (
    *_ends("GB downloaded", "s", "download", 1.0, {"gateway": 1.0}),
    *_ends("GB uploaded", "s", "upload", 1.0, {"gateway": 1.0}),
    Measure("CPU per GB downloaded, gateway's end alone", "s", "door download", _gateway),
    Measure("CPU per GB uploaded, gateway's end alone", "s", "door upload", _gateway),
    *_ends("small request on an open connection", "µs", "small request", 1e6, {"gateway": 1.3}),
    *_ends("new application connection", "µs", "new connection", 1e6, {"both": 0.2}),
    Measure("tunnels opened for those connections", "", "new connection", _tunnels, compared=False),
    *_ends("new application connection without reuse", "µs", "unshared", 1e6, {}),
    Measure("tunnels opened for each of those", "", "unshared", _named("tunnels each"), compared=False),
    Measure("CPU per full mTLS handshake, gateway's end alone", "µs", "handshake", _gateway, 1e6, 1.2),
    Measure(
        "CPU per handshake with a chain never seen before, gateway's end alone",
        "µs",
        "newcomer",
        _gateway,
        1e6,
    ),
    *_percentiles("p", ", 200 handshakes a second arriving", "storm", {99.0: 1.0}),
    Measure("handshakes that came in meanwhile", "a second", "storm", _named("rate"), compared=False),
    *_percentiles("quiet p", " in quiet", "quiet", {}),
    Measure("p99 that the handshakes add", "ms", "storm", _named("added p99"), 1e3),
    Measure(
        "time to the first byte of a new connection", "round trips of 70 ms", "far", _wall, 1.0, 1.0, "value"
    ),
    Measure(
        "memory per silent socket, gateway's end", "KiB", "silent socket", _gateway, 1 / 1024, 4.0, "value"
    ),
    Measure(
        "memory per held connection at the most, gateway's end alone",
        "KiB",
        "growth",
        _named("most"),
        1 / 1024,
        32.0,
        "value",
    ),
    *_throughput("1 worker"),
    *_throughput("2 workers"),
    Measure("memory per idle connection, gateway's end", "KiB", "idle connection", _gateway, 1 / 1024),
    Measure("memory per idle connection, client's end", "KiB", "idle connection", _client, 1 / 1024),
    *_ends("request by wrk, kept open", "µs", "wrk, kept open", 1e6, {}),
    Measure("requests by wrk, kept open", "a second", "wrk, kept open", _named("rate"), compared=False),
    *_ends("request by wrk, a new connection each", "µs", "wrk, closed", 1e6, {}),
    Measure(
        "requests by wrk, a new connection each", "a second", "wrk, closed", _named("rate"), compared=False
    ),
    *_ends("GB by iperf3, downwards", "s", "iperf3, downwards", 1.0, {}),
    *_ends("GB by iperf3, upwards", "s", "iperf3, upwards", 1.0, {}),
)


def series(samples: Sequence[Sample]) -> list[Measure]:
    """A row for each step of what grows."""
    found = []
    for name in _names(samples, "message size"):
        what = f"CPU per message of {int(name):,} bytes and its echo, both ends"
        found.append(
            Measure(what, "µs", "message size", _named(name), 1e6, series="message size", at=int(name))
        )
    for name in _names(samples, "growth"):
        what, _, count = name.partition(" ")
        if what == "request":
            row = f"CPU per small request with {int(count):,} connections open, gateway's end alone"
            found.append(Measure(row, "µs", "growth", _named(name), 1e6, series="growth, CPU", at=int(count)))
        elif what == "memory":
            row = f"memory per connection with {int(count):,} connections open, gateway's end alone"
            found.append(
                Measure(row, "KiB", "growth", _named(name), 1 / 1024, series="growth, memory", at=int(count))
            )
    return found


def _names(samples: Sequence[Sample], scenario: str) -> list[str]:
    return list(dict.fromkeys(name for one in samples if one.scenario == scenario for name in one.figures))
