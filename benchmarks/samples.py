"""
How much is done, and what a scenario says of it.

The CPU of both ends is taken by a `Meter` around the load, and a little longer, so that what a proxy
leaves for later is counted too.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Self

from benchmarks.accounting import cpu_seconds, memory
from benchmarks.load import Outcome
from benchmarks.site import Site, Way

_AFTERWARDS = 0.15

PERCENTILES = (50.0, 90.0, 99.0, 99.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much of everything one round does."""

    rounds: int
    new_connections: int
    unshared: int
    """New connections that use nothing again."""
    at_once: int = 16
    """Connections at a time. With the pool's default, up to twice as many tunnels are made in a round:
    with the numbers below each carries at least 50 streams."""
    small_requests: int
    open_connections: int = 32
    bulk: int
    """Bytes in each direction."""
    handshakes: int
    idle_connections: int
    idle_rounds: int
    held: tuple[int, ...]
    """Connections straight to the gateway's end, step by step."""
    silent: int
    newcomers: int
    """Handshakes with a certificate that is new to the gateway's end each."""
    storm: float
    """Seconds of requests in quiet, and as many under a storm of handshakes."""
    message_sizes: tuple[int, ...]
    echoed: int
    """Bytes of messages of each size, but between 20 and 2,000 messages."""
    makers_seconds: int
    """Of requests by wrk."""
    far: int
    """New connections at 70 ms round trip."""


QUICK = Sizes(
    rounds=3,
    new_connections=2_000,
    unshared=200,
    small_requests=10_000,
    bulk=400_000_000,
    handshakes=300,
    idle_connections=500,
    idle_rounds=1,
    held=(100, 400),
    silent=500,
    newcomers=100,
    storm=2.0,
    message_sizes=(1, 1024, 65536, 1 << 20),
    echoed=2_000_000,
    makers_seconds=2,
    far=5,
)
FULL = Sizes(
    rounds=5,
    new_connections=3_000,
    unshared=1_000,
    small_requests=20_000,
    bulk=800_000_000,
    handshakes=500,
    idle_connections=1_000,
    idle_rounds=2,
    held=(100, 500, 1000, 2000, 4000, 8000),
    silent=2_000,
    newcomers=300,
    storm=5.0,
    message_sizes=(1, 16, 128, 1024, 4096, 16384, 65536, 1 << 18, 1 << 20),
    echoed=20_000_000,
    makers_seconds=5,
    far=20,
)


class Setting(Enum):
    """In what state those that take part begin."""

    TOGETHER = "they have served what went before in the same round"
    FRESH = "started for this scenario alone"
    IPERF3 = "started for this scenario alone, with iperf3's server as the backend"
    TWO_WORKERS = "started for this scenario alone, with two workers at the gateway's end"
    UNSHARED = "started for this scenario alone, and no tunnel and no TLS session is used twice"
    FAR = "started for this scenario alone, and 70 ms of round trip between the two ends"


@dataclass(frozen=True, slots=True)
class Sample:
    """One scenario on one way in one round. Costs are for one unit of what was done."""

    scenario: str
    way: str
    gateway: float | None
    client: float | None
    wall: float | None
    wrong: int = 0
    tunnels: int | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    """What else was measured, by names of the scenario's own."""


@dataclass(slots=True)
class Meter:
    """The CPU that both ends of a way use within the block."""

    way: Way
    gateway: float = field(default=0.0, init=False)
    client: float = field(default=0.0, init=False)

    def __enter__(self) -> Self:
        self.gateway, self.client = self._now()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        time.sleep(_AFTERWARDS)
        gateway, client = self._now()
        self.gateway, self.client = gateway - self.gateway, client - self.client

    def _now(self) -> tuple[float, float]:
        return cpu_of(self.way.gateway), cpu_of(self.way.client)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A load by name."""

    name: str
    run: Callable[[Way, Site, Sizes], Sample]
    needs_door: bool = False
    setting: Setting = Setting.TOGETHER
    full_only: bool = False
    program: str = ""
    """Without which it cannot run."""


def sample(name: str, way: Way, meter: Meter, outcome: Outcome, *, unit: float = 1.0) -> Sample:
    done = outcome.right / unit
    if not done:
        return Sample(name, way.name, None, None, None, wrong=max(1, outcome.wrong))
    return Sample(
        name,
        way.name,
        meter.gateway / done if way.gateway is not None else None,
        meter.client / done if way.client is not None else None,
        outcome.seconds / done,
        outcome.wrong,
    )


def cpu_of(pid: int | None) -> float:
    return cpu_seconds(pid) if pid is not None else 0.0


def memory_of(pid: int | None) -> int:
    return memory(pid) if pid is not None else 0
