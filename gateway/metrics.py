"""
What the data path counts. Names and labels follow linkerd2-proxy where it has them.

`tcp_*` count streams: one connection of an application, whatever tunnel carried it. Tunnels have
names of their own, since nobody else has tunnels. No label has a value that a stranger chooses.
"""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from certs.generation import Generation
from certs.refresh_metrics import RefreshMetrics
from certs.revocation_metrics import RevocationMetrics
from gateway.refusals import Reason
from gateway.stream_metrics import WAITS, Direction, StreamBytes, StreamCounts
from process.version import VERSION


class DataPathMetrics:
    """The metrics of one end of the data path, in a registry."""

    def __init__(self, registry: CollectorRegistry, direction: Direction) -> None:
        self._direction = direction
        # The accepted side and the opened side; on which of them TLS is depends on the end.
        tls = {"inbound": ("true", "no_identity"), "outbound": ("no_identity", "true")}[direction]
        sides = ({"peer": "src", "tls": tls[0]}, {"peer": "dst", "tls": tls[1]})
        self._refused = Counter(
            "jackstay_refused_total", "Connections and streams refused.",
            ("direction", "reason"), registry=registry,
        )  # fmt: skip
        self._handshakes = Counter(
            "jackstay_handshakes_total", "Handshakes by result: ok, or why not.",
            ("direction", "result"), registry=registry,
        )  # fmt: skip
        handshake_seconds = Histogram(
            "jackstay_handshake_seconds", "Duration of handshakes that succeeded.",
            ("direction",), buckets=WAITS, registry=registry,
        )  # fmt: skip
        tunnels = Gauge("jackstay_tunnels", "Tunnels open now.", ("direction",), registry=registry)
        tunnels_opened = Counter(
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
        self._lag = Histogram(
            "jackstay_loop_lag_seconds", "By how much the event loop is late, looked at twice a second.",
            ("direction",), buckets=WAITS, registry=registry,
        ).labels(direction)  # fmt: skip
        self._reused = Counter(
            "jackstay_tunnels_reused_total", "Streams carried by a tunnel that had carried another.",
            ("direction",), registry=registry,
        ).labels(direction)  # fmt: skip
        self.idle_tunnels = Gauge(
            "jackstay_tunnels_idle", "Tunnels that carry no stream now.", ("direction",), registry=registry
        ).labels(direction)
        self.held = Gauge(
            "jackstay_held_bytes",
            "Bytes held for receivers that do not take them.",
            ("direction",),
            registry=registry,
        ).labels(direction)
        build = Gauge("jackstay_build_info", "Which jackstay this is.", ("version",), registry=registry)
        build.labels(VERSION).set(1)
        ProcessCollector(registry=registry)
        self.ejections = Counter(
            "jackstay_ejections_total", "Endpoints passed over because connecting to them kept failing.",
            registry=registry,
        )  # fmt: skip
        self.ejected = Gauge("jackstay_ejected_endpoints", "Endpoints passed over now.", registry=registry)
        self.refused_backends = Gauge(
            "jackstay_refused_backends", "Endpoints of exported services at which no backend may be.",
            registry=registry,
        )  # fmt: skip
        self._refreshes = RefreshMetrics(registry)
        self._revocations = RevocationMetrics(registry)
        self.bytes = StreamBytes(direction, sides)
        self._streams = StreamCounts(direction, sides)
        registry.register(self.bytes)
        registry.register(self._streams)
        for reason in Reason:
            self._refused.labels(direction, reason)
        # Looking a label set up costs more than counting: these are asked for with every connection.
        self._on_handshake = self._handshakes.labels(direction, "ok")
        self._on_handshake_seconds = handshake_seconds.labels(direction)
        self._on_tunnels = tunnels.labels(direction)
        self._on_tunnel_opened = tunnels_opened.labels(direction)

    def stream_opened(self) -> None:
        self._streams.opened += 1

    def stream_closed(self, errno: str) -> None:
        """*errno* is one of our reasons, or empty for a regular end."""
        self._streams.closed[errno] += 1

    def refused(self, reason: Reason) -> None:
        self._refused.labels(self._direction, reason).inc()

    def defect(self) -> None:
        """A connection failed by an error of ours."""
        self.refused(Reason.INTERNAL)

    def handshake(self, result: str, seconds: float | None = None) -> None:
        (self._on_handshake if result == "ok" else self._handshakes.labels(self._direction, result)).inc()
        if seconds is not None:
            self._on_handshake_seconds.observe(seconds)

    def stream_ready(self, seconds: float) -> None:
        self._streams.ready(seconds)

    def loop_late(self, seconds: float) -> None:
        self._lag.observe(seconds)

    def tunnel_reused(self) -> None:
        self._reused.inc()

    def tunnel_opened(self) -> None:
        self._on_tunnel_opened.inc()
        self._on_tunnels.inc()

    def tunnel_closed(self) -> None:
        self._on_tunnels.dec()

    def bare_fin(self) -> None:
        """A peer has ended without close_notify, and its Service takes that as an end."""
        self._bare_fins.labels(self._direction).inc()

    def certificate(self, generation: Generation | None) -> None:
        """A generation of our certificate was taken over; None for one that was not."""
        self.reloaded("certificate", taken=generation is not None)
        self._refreshes.told(generation)
        if generation is not None and (usable := self._revocations.told(generation)) is not None:
            self.reloaded("crl", taken=usable)

    def reloaded(self, what: Literal["routes", "targets", "certificate", "crl"], *, taken: bool) -> None:
        self._reloads.labels(what, "ok" if taken else "error").inc()
