"""
What the data path counts. Names and labels follow linkerd2-proxy where it has them.

`tcp_*` count streams: one connection of an application, whatever tunnel carried it. Tunnels have
names of their own, since nobody else has tunnels. No label has a value that a stranger chooses.
"""

from collections.abc import Callable, Iterable
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from certs.generation import Generation
from gateway.refusals import Reason

Direction = Literal["inbound", "outbound"]
_WAITS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class DataPathMetrics:
    """The metrics of one end of the data path, in a registry."""

    def __init__(self, registry: CollectorRegistry, direction: Direction) -> None:
        self._direction = direction
        # The accepted side and the opened side; on which of them TLS is depends on the end.
        tls = {"inbound": ("true", "no_identity"), "outbound": ("no_identity", "true")}[direction]
        self._sides = ({"peer": "src", "tls": tls[0]}, {"peer": "dst", "tls": tls[1]})
        labels = ("direction", "peer", "tls")
        opened = Counter("tcp_open_total", "Streams begun.", labels, registry=registry)
        self._closed = Counter(
            "tcp_close_total", "Streams ended; errno is the reason, empty for a regular end.",
            (*labels, "errno"), registry=registry,
        )  # fmt: skip
        running = Gauge("tcp_open_connections", "Streams open now.", labels, registry=registry)
        self._refused = Counter(
            "jackstay_refused_total", "Connections and streams refused.",
            ("direction", "reason"), registry=registry,
        )  # fmt: skip
        self._handshakes = Counter(
            "jackstay_handshakes_total", "Handshakes by result: ok, or why not.",
            ("direction", "result"), registry=registry,
        )  # fmt: skip
        self._handshake_seconds = Histogram(
            "jackstay_handshake_seconds", "Duration of handshakes that succeeded.",
            ("direction",), buckets=_WAITS, registry=registry,
        )  # fmt: skip
        ready_seconds = Histogram(
            "jackstay_stream_ready_seconds", "From a stream's begin to its connected backend.",
            ("direction",), buckets=_WAITS, registry=registry,
        )  # fmt: skip
        self._tunnels = Gauge("jackstay_tunnels", "Tunnels open now.", ("direction",), registry=registry)
        self._tunnels_opened = Counter(
            "jackstay_tunnels_opened_total", "Tunnels made.", ("direction",), registry=registry
        )
        self._bare_fins = Counter(
            "jackstay_bare_fins_total", "FINs without close_notify, taken as ends where a Service says so.",
            ("direction",), registry=registry,
        )  # fmt: skip
        self._bare_fins.labels(direction)
        self._reloads = Counter(
            "jackstay_reloads_total", "Files or snapshots taken over, or kept out because broken.",
            ("what", "result"), registry=registry,
        )  # fmt: skip
        self.certificate_expires = Gauge(
            "identity_cert_expiration_timestamp_seconds", "When our certificate ends.", registry=registry
        )
        self.bytes = _Bytes(direction, self._sides)
        registry.register(self.bytes)
        for reason in Reason:
            self._refused.labels(direction, reason)
        # Looking a label set up costs more than counting: these are asked for with every stream.
        self._on_opened = [opened.labels(direction, *side.values()) for side in self._sides]
        self._on_running = [running.labels(direction, *side.values()) for side in self._sides]
        self._on_closed: dict[str, list[Counter]] = {}
        self._on_ready = ready_seconds.labels(direction)

    def stream_opened(self) -> None:
        for opened, running in zip(self._on_opened, self._on_running, strict=True):
            opened.inc()
            running.inc()

    def stream_closed(self, errno: str) -> None:
        """*errno* is one of our reasons, or empty for a regular end."""
        if errno not in self._on_closed:
            self._on_closed[errno] = [
                self._closed.labels(self._direction, *side.values(), errno) for side in self._sides
            ]
        for closed, running in zip(self._on_closed[errno], self._on_running, strict=True):
            closed.inc()
            running.dec()

    def refused(self, reason: Reason) -> None:
        self._refused.labels(self._direction, reason).inc()

    def defect(self) -> None:
        """A connection failed by an error of ours."""
        self.refused(Reason.INTERNAL)

    def handshake(self, result: str, seconds: float | None = None) -> None:
        self._handshakes.labels(self._direction, result).inc()
        if seconds is not None:
            self._handshake_seconds.labels(self._direction).observe(seconds)

    def stream_ready(self, seconds: float) -> None:
        self._on_ready.observe(seconds)

    def tunnel_opened(self) -> None:
        self._tunnels_opened.labels(self._direction).inc()
        self._tunnels.labels(self._direction).inc()

    def tunnel_closed(self) -> None:
        self._tunnels.labels(self._direction).dec()

    def bare_fin(self) -> None:
        """A peer has ended without close_notify, and its Service takes that as an end."""
        self._bare_fins.labels(self._direction).inc()

    def certificate(self, generation: Generation | None) -> None:
        """A generation of our certificate was taken over; None for one that was not."""
        self.reloaded("certificate", taken=generation is not None)
        if generation is not None:
            self.certificate_expires.set(generation.credentials.not_after.timestamp())

    def reloaded(self, what: Literal["routes", "targets", "certificate"], *, taken: bool) -> None:
        self._reloads.labels(what, "ok" if taken else "error").inc()


class _Bytes(Collector):
    """Bytes counted live: those of ended streams, and those of streams that still run."""

    def __init__(self, direction: Direction, sides: tuple[dict[str, str], dict[str, str]]) -> None:
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
        read = CounterMetricFamily(
            "tcp_read_bytes", "Plaintext bytes read.", labels=("direction", "peer", "tls")
        )
        write = CounterMetricFamily(
            "tcp_write_bytes", "Plaintext bytes written.", labels=("direction", "peer", "tls")
        )
        for side, came, went in zip(self._sides, (from_src, from_dst), (from_dst, from_src), strict=True):
            labels = (self._direction, side["peer"], side["tls"])
            read.add_metric(labels, came)
            write.add_metric(labels, went)
        return read, write
