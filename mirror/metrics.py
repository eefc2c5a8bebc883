"""What a mirror counts, under the names that Linkerd's dashboards know."""

from collections import Counter as Counts
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from cluster.event_recorder import EventMetrics
from cluster.kinds import ENDPOINTS
from mirror.liveness import Liveness
from mirror.status import GatewayReport, NoGateway, Report
from mirror.wanted import CONFLICT

LATENCIES = tuple(float(step * scale) for scale in (1, 10, 100, 1000, 10_000) for step in (1, 2, 3, 4, 5))
"""Milliseconds."""

CLUSTER = "target_cluster_name"

CACHED = ("link", "secret", "namespace", "service", "endpoint", "endpointslice")
"""Kinds of which it is told how many are known."""


class Metrics:
    """The series of all Links in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.events = EventMetrics(registry)
        self._alive = Gauge(
            "gateway_alive", "1 if the gateway lives, 0 if it is dead.", [CLUSTER], registry=registry
        )
        self._enabled = Gauge("gateway_enabled", "1 if the gateway is probed.", [CLUSTER], registry=registry)
        self._latency = Gauge(
            "gateway_latency",
            "Milliseconds that the last probe that was answered took.",
            [CLUSTER],
            registry=registry,
        )
        self._latencies = Histogram(
            "gateway_probe_latency_ms",
            "Milliseconds that probes took that were answered.",
            [CLUSTER],
            buckets=LATENCIES,
            registry=registry,
        )
        # A gauge, since a counter of this client is always called `..._total`, and Linkerd's is not.
        self._probes = Gauge(
            "gateway_probes", "Probes so far.", [CLUSTER, "probe_successful"], registry=registry
        )
        self._probe_failures = Counter(
            "gateway_probe_failures",
            "Probes that failed, by address and by why.",
            [CLUSTER, "address", "reason"],
            registry=registry,
        )
        self._repairs = Gauge(
            "service_mirror_endpoint_repairs",
            "Endpoints of mirrors written anew so far, for whatever reason.",
            [CLUSTER],
            registry=registry,
        )
        self._sizes = {
            kind: Gauge(
                f"{kind}_cache_size",
                f"How many objects of kind {kind} are known of a cluster.",
                ["cluster"],
                registry=registry,
            )
            for kind in CACHED
        }
        self._addresses = Gauge(
            "gateway_address_alive",
            "1 if this address of the gateway lives.",
            [CLUSTER, "address"],
            registry=registry,
        )
        self._writes = Counter(
            "mirror_writes", "Writes to our own cluster.", [CLUSTER, "verb", "kind"], registry=registry
        )
        self._failures = Counter(
            "mirror_failed_writes", "Writes that failed, by why.", [CLUSTER, "reason"], registry=registry
        )
        self._unmirrored = Gauge(
            "mirror_unmirrored_services",
            "Exported services of the other cluster that are not mirrored, by why.",
            [CLUSTER, "reason"],
            registry=registry,
        )
        self._reachable = Gauge(
            "mirror_remote_reachable", "1 if the other cluster's API answers.", [CLUSTER], registry=registry
        )
        self._token_ends = Gauge(
            "mirror_remote_token_expiry_timestamp_seconds",
            "Until when the token for the other cluster holds; it is renewed at half its life.",
            [CLUSTER],
            registry=registry,
        )
        self._broken = Counter(
            "mirror_internal_errors", "Links begun anew after an error of ours.", registry=registry
        )

    def probed(self, cluster: str, address: str, liveness: Liveness) -> None:
        """One more probe of *address*, and what we believe after it."""
        ok = not liveness.failures
        self._probes.labels(cluster, "true" if ok else "false").inc()
        if liveness.alive is not None:
            self._addresses.labels(cluster, address).set(int(liveness.alive))
        if not ok:
            self._probe_failures.labels(cluster, address, liveness.why).inc()
            return
        milliseconds = liveness.latencies[-1] * 1000
        self._latency.labels(cluster).set(milliseconds)
        self._latencies.labels(cluster).observe(milliseconds)

    def reported(self, cluster: str, report: Report) -> None:
        """What is known of the Link to *cluster*, whether it is ours to write or not."""
        if report.remote is not None:
            self._reachable.labels(cluster).set(int(bool(report.remote.ok)))
        if report.services is not None:
            failing = [found.finding.reason for found in report.services.values() if not found.finding.ok]
            self._unmirrored.remove_by_labels({CLUSTER: cluster})
            for reason, number in {CONFLICT: 0, **Counts(failing)}.items():
                self._unmirrored.labels(cluster, reason).set(number)
        match report.gateway:
            case GatewayReport(probed=probed, alive=alive):
                self._enabled.labels(cluster).set(int(probed))
                if alive is not None:
                    self._alive.labels(cluster).set(int(alive))
            case NoGateway():
                for series in (self._enabled, self._alive, self._latency):
                    series.remove_by_labels({CLUSTER: cluster})

    def token_ends(self, cluster: str, at: datetime) -> None:
        self._token_ends.labels(cluster).set(at.timestamp())

    def wrote(self, cluster: str, verb: str, kind: str) -> None:
        self._writes.labels(cluster, verb, kind).inc()
        if (verb, kind) == ("update", ENDPOINTS.kind):
            self._repairs.labels(cluster).inc()

    def holds(self, cluster: str, **kinds: int) -> None:
        """How many objects of each of *kinds* are known of *cluster*; ours is called local."""
        for kind, number in kinds.items():
            self._sizes[kind].labels(cluster).set(number)

    def failed(self, cluster: str, reason: str) -> None:
        self._failures.labels(cluster, reason).inc()

    def broke(self) -> None:
        """A bug of ours ended the work on a Link, which begins anew."""
        self._broken.inc()

    def forget_address(self, cluster: str, address: str) -> None:
        """The gateway is no longer at *address*."""
        for series in (self._addresses, self._probe_failures):
            series.remove_by_labels({CLUSTER: cluster, "address": address})

    def forget(self, cluster: str) -> None:
        """No Link leads to *cluster* any more."""
        for series in (
            self._alive,
            self._enabled,
            self._latency,
            self._latencies,
            self._probes,
            self._addresses,
            self._probe_failures,
            self._repairs,
            self._writes,
            self._failures,
            self._unmirrored,
            self._reachable,
            self._token_ends,
        ):
            series.remove_by_labels({CLUSTER: cluster})
        for size in self._sizes.values():
            size.remove_by_labels({"cluster": cluster})
