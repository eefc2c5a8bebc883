"""Several processes' metrics, told as one's."""

import json

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from process.sums import Family, Shown, lasting, read, summed


def process(asked: int, held: float, expires: float, waits: tuple[float, ...] = ()) -> list[Family]:
    """What a process shows that was asked so often, and so on; as it arrives at the supervisor."""
    registry = CollectorRegistry()
    Counter("asked", "Questions.", ("by",), registry=registry).labels("web").inc(asked)
    Gauge("held", "Held now.", registry=registry).set(held)
    Gauge("cert_timestamp_seconds", "The end.", registry=registry).set(expires)
    Gauge("lag_seconds", "The lag.", registry=registry).set(held)
    Gauge("a_refused_backends", "Seen by each.", registry=registry).set(held)
    histogram = Histogram("waited", "Waits.", buckets=(0.1, 1.0), registry=registry)
    for wait in waits:
        histogram.observe(wait)
    return [Family.from_json(json.loads(json.dumps(family.as_json()))) for family in read(registry)]


def shown(families: list[Family]) -> dict[str, float]:
    """The exposition, by what stands before the value."""
    registry = CollectorRegistry()
    registry.register(Shown(families))
    lines = generate_latest(registry).decode().splitlines()
    pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in pairs if "_created" not in name}


def test_what_is_read_is_shown_as_it_was() -> None:
    registry = CollectorRegistry()
    Counter("asked", "Questions.", ("by",), registry=registry).labels("web").inc(2)
    Histogram("waited", "Waits.", registry=registry).observe(0.2)
    again = CollectorRegistry()
    again.register(Shown(read(registry)))
    assert generate_latest(again) == generate_latest(registry)


def test_each_kind_has_its_sum() -> None:
    both = summed([process(3, 2, 900, (0.05, 0.5)), process(4, 5, 800, (0.5, 7))])
    assert shown(both) == {
        'asked_total{by="web"}': 7,
        "held": 7,
        "cert_timestamp_seconds": 800,
        "lag_seconds": 5,
        "a_refused_backends": 5,
        'waited_bucket{le="0.1"}': 1,
        'waited_bucket{le="1.0"}': 3,
        'waited_bucket{le="+Inf"}': 4,
        "waited_count": 4,
        "waited_sum": 8.05,
    }


def test_what_only_one_process_has_is_kept() -> None:
    registry = CollectorRegistry()
    Counter("rare", "Seldom.", registry=registry).inc()
    sums = shown(summed([read(registry), process(1, 1, 1)]))
    assert (sums["rare_total"], sums['asked_total{by="web"}']) == (1, 1)


def test_the_counts_of_the_dead_stay_and_what_they_held_does_not() -> None:
    retired = lasting(process(10, 6, 500, (0.5,)))
    alive = process(1, 2, 900)
    sums = shown(summed([retired, alive]))
    assert (sums['asked_total{by="web"}'], sums["waited_count"]) == (11, 1)
    assert (sums["held"], sums["cert_timestamp_seconds"]) == (2, 900)


def test_no_process_is_no_metric() -> None:
    assert summed([]) == []
