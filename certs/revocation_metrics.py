"""Until when the revocation lists hold by which peers are let in, and how often they were taken over."""

from prometheus_client import CollectorRegistry, Gauge

from certs.generation import Generation


class RevocationMetrics:
    """The moment is there once there are lists; 0 is a file that cannot be used, so that nobody is let in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._shown: str | None = None
        self._next_update = Gauge(
            "jackstay_crl_next_update_timestamp_seconds",
            "When the first of the revocation lists that we have is out of date; 0 if they cannot be used.",
            registry=None,
        )

    def told(self, generation: Generation) -> bool | None:
        """A generation was taken over. Whether its lists are usable if they are new, else None."""
        now = generation.revocations
        if now is None or now.digest + now.wrong == self._shown:
            return None
        if self._shown is None:
            self._registry.register(self._next_update)
        self._shown = now.digest + now.wrong
        self._next_update.set(now.next_update.timestamp() if now.next_update is not None else 0)
        return not now.wrong
