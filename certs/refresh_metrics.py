"""Whether our certificate is renewed: what every process counts, beside which one it uses."""

from collections.abc import Callable
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge

from certs.credentials import Credentials
from certs.generation import Generation
from certs.trust_metrics import TrustMetrics


class RefreshMetrics:
    """Named as linkerd2-proxy names them. The moments are there once there is a certificate."""

    def __init__(
        self, registry: CollectorRegistry, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._registry = registry
        self._now = now
        self._shown: Credentials | None = None
        self._refreshes = Counter(
            "identity_cert_refreshes_total",
            "Certificates taken over, and tries that failed.",
            ("result",),
            registry=registry,
        )
        for result in ("ok", "error"):
            self._refreshes.labels(result)
        self._trust = TrustMetrics(registry)
        self._refreshed = Gauge(
            "identity_cert_refresh_timestamp_seconds", "When our certificate was taken over.", registry=None
        )

    def told(self, generation: Generation | None) -> None:
        """A generation was taken over; None for one that was not. Other anchors alone are no refresh."""
        if generation is None:
            self._refreshes.labels("error").inc()
            return
        self._trust.told(generation)
        if self._shown is None:
            self._registry.register(self._refreshed)
        if generation.credentials != self._shown:
            self._shown = generation.credentials
            self._refreshes.labels("ok").inc()
            self._refreshed.set(self._now().timestamp())
