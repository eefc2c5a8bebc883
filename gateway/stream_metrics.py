"""
What is counted of streams: plain numbers, made into metrics when somebody looks.

A counter of prometheus_client takes a lock and a Python call or two; a stream would count twenty
times, which cost more than all its frames. So the data path adds to integers, and a collector
shows them. Only the event loop's thread adds.
"""

from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

Direction = Literal["inbound", "outbound"]
Sides = tuple[dict[str, str], dict[str, str]]
"""The labels `peer` and `tls` of the accepted side, and of the opened one."""

WAITS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Upper bounds of the buckets for durations, seconds."""

_LABELS = ("direction", "peer", "tls")


class StreamCounts(Collector):
    """Streams begun and ended, and how long each took to be ready."""

    def __init__(self, direction: Direction, sides: Sides) -> None:
        self._direction = direction
        self._sides = sides
        self.opened = 0
        self.closed = Tally[str]()
        """By reason; "" for a regular end."""
        self._waits = [0] * (len(WAITS) + 1)
        self._waited = 0.0

    def ready(self, seconds: float) -> None:
        """A stream had its backend so long after it began."""
        self._waits[bisect_left(WAITS, seconds)] += 1
        self._waited += seconds

    def collect(self) -> Iterable[Metric]:
        opened = CounterMetricFamily("tcp_open", "Streams begun.", labels=_LABELS)
        running = GaugeMetricFamily("tcp_open_connections", "Streams open now.", labels=_LABELS)
        closed = CounterMetricFamily(
            "tcp_close",
            "Streams ended; errno is the reason, empty for a regular end.",
            labels=(*_LABELS, "errno"),
        )
        for side in self._sides:
            labels = (self._direction, side["peer"], side["tls"])
            opened.add_metric(labels, self.opened)
            running.add_metric(labels, self.opened - self.closed.total())
            for errno, count in self.closed.items():
                closed.add_metric((*labels, errno), count)
        ready = HistogramMetricFamily(
            "jackstay_stream_ready_seconds",
            "From a stream's begin to its connected backend.",
            labels=("direction",),
        )
        bounds = (*map(floatToGoString, WAITS), "+Inf")
        buckets = list(zip(bounds, map(float, accumulate(self._waits)), strict=True))
        ready.add_metric((self._direction,), buckets, self._waited)
        return opened, running, closed, ready


class StreamBytes(Collector):
    """Bytes counted live: those of ended streams, and those of streams that still run."""

    def __init__(self, direction: Direction, sides: Sides) -> None:
        self._direction = direction
        self._sides = sides
        self._from_src = self._from_dst = 0
        self.running: Callable[[], Iterable[tuple[int, int]]] = tuple
        """(bytes from src, bytes from dst) of each stream that runs now."""

    def ended(self, from_src: int, from_dst: int) -> None:
        self._from_src += from_src
        self._from_dst += from_dst

    def collect(self) -> Iterable[Metric]:
        running = list(self.running())
        from_src = self._from_src + sum(first for first, _ in running)
        from_dst = self._from_dst + sum(second for _, second in running)
        read = CounterMetricFamily("tcp_read_bytes", "Plaintext bytes read.", labels=_LABELS)
        write = CounterMetricFamily("tcp_write_bytes", "Plaintext bytes written.", labels=_LABELS)
        for side, came, went in zip(self._sides, (from_src, from_dst), (from_dst, from_src), strict=True):
            labels = (self._direction, side["peer"], side["tls"])
            read.add_metric(labels, came)
            write.add_metric(labels, went)
        return read, write
