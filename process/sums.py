"""
The metrics of several processes as if they were one's.

Counters and histograms are added, and so are gauges that count something. Of a gauge that holds a moment
(`*_timestamp_seconds`, a certificate's end) the earliest is told, of other seconds, ratios and infos, and
of what each process finds in the same cluster by itself, the largest: in each case the one that somebody
might have to act upon.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

Key = tuple[str, tuple[tuple[str, str], ...]]
"""A sample's name, and its labels."""

_ONLY_GROW = ("counter", "histogram", "summary")
_LARGEST = ("_seconds", "_ratio", "_info", "_refused_backends")


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with all its samples, at one moment."""

    name: str
    documentation: str
    type: str
    samples: dict[Key, float]

    def as_json(self) -> Any:
        samples = [[name, dict(labels), value] for (name, labels), value in self.samples.items()]
        return [self.name, self.documentation, self.type, samples]

    @classmethod
    def from_json(cls, document: Any) -> Self:
        name, documentation, kind, samples = document
        return cls(name, documentation, kind, {(n, tuple(labels.items())): v for n, labels, v in samples})


def read(registry: CollectorRegistry) -> list[Family]:
    """What *registry* shows now."""
    return [
        Family(
            metric.name,
            metric.documentation,
            metric.type,
            {(sample.name, tuple(sample.labels.items())): sample.value for sample in metric.samples},
        )
        for metric in registry.collect()
    ]


def summed(processes: Iterable[Sequence[Family]]) -> list[Family]:
    """One family of each name, of all *processes*."""
    sums: dict[str, Family] = {}
    for families in processes:
        for family in families:
            sum_ = sums.setdefault(family.name, Family(family.name, family.documentation, family.type, {}))
            for key, value in family.samples.items():
                known = sum_.samples.get(key)
                sum_.samples[key] = value if known is None else _rule(family, key[0])(known, value)
    return list(sums.values())


def lasting(families: Iterable[Family]) -> list[Family]:
    """What of *families* still counts when their process has ended: what can only grow."""
    return [family for family in families if family.type in _ONLY_GROW]


def _rule(family: Family, sample: str) -> Callable[[float, float], float]:
    if sample.endswith(("_created", "_timestamp_seconds")):
        return min
    if family.type in _ONLY_GROW:
        return lambda one, other: one + other
    if family.type != "gauge" or sample.endswith(_LARGEST):
        return max
    return lambda one, other: one + other


class Shown(Collector):
    """Families as a registry's collector."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        for family in self._families:
            metric = Metric(family.name, family.documentation, family.type)
            for (name, labels), value in family.samples.items():
                metric.add_sample(name, dict(labels), value)
            yield metric
