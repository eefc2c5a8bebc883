"""Whether one address of a gateway lives: a verdict, from one probe after another."""

from dataclasses import dataclass, replace
from statistics import median

KEPT = 9


@dataclass(frozen=True, slots=True)
class Liveness:
    """What we believe of one address. Before the first verdict we believe nothing."""

    alive: bool | None = None
    failures: int = 0
    """Probes that failed since the last one that did not."""

    because: str = ""
    """Why the last probe failed; "" if it did not."""

    why: str = ""
    """Of what sort that failure was."""

    latencies: tuple[float, ...] = ()
    """Seconds that the last answers took, newest last."""

    def answered(self, seconds: float) -> "Liveness":
        """What we believe once a probe was answered after *seconds*: it lives."""
        return Liveness(alive=True, latencies=(*self.latencies[-KEPT + 1 :], seconds))

    def failed(self, because: str, *, threshold: int, why: str = "") -> "Liveness":
        """What we believe once a further probe failed; *threshold* of them in a row, and it is dead."""
        failures = self.failures + 1
        alive = False if failures >= threshold else self.alive
        return replace(self, alive=alive, failures=failures, because=because, why=why)

    @property
    def latency(self) -> float | None:
        """What an answer usually takes, in seconds."""
        return median(self.latencies) if self.latencies else None
