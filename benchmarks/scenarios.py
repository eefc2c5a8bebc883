"""
What is measured: each scenario puts one load on one way and says how much was done.

The CPU of both ends is taken by a `Meter` around the load, and a little longer, so that what a proxy
leaves for later is counted too.
"""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from benchmarks import load
from benchmarks.accounting import cpu_seconds, memory
from benchmarks.load import Outcome
from benchmarks.site import Site, Way

_AFTERWARDS = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much of everything one round does."""

    rounds: int
    new_connections: int
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


QUICK = Sizes(
    rounds=3,
    new_connections=2_000,
    small_requests=10_000,
    bulk=400_000_000,
    handshakes=300,
    idle_connections=500,
    idle_rounds=1,
)
FULL = Sizes(
    rounds=5,
    new_connections=3_000,
    small_requests=20_000,
    bulk=800_000_000,
    handshakes=500,
    idle_connections=1_000,
    idle_rounds=2,
)


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
        return _cpu(self.way.gateway), _cpu(self.way.client)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A load by name."""

    name: str
    run: Callable[[Way, Site, Sizes], Sample]
    needs_door: bool = False


def new_connections(way: Way, site: Site, sizes: Sizes) -> Sample:
    with Meter(way) as meter:
        outcome = load.new_connections(way.entrance, sizes.new_connections, at_once=sizes.at_once)
    sample = _sample("new connection", way, meter, outcome)
    return replace(sample, tunnels=way.tunnels() if way.tunnels is not None else None)


def small_requests(way: Way, site: Site, sizes: Sizes) -> Sample:
    with load.open_connections(way.entrance, sizes.open_connections) as socks, Meter(way) as meter:
        outcome = load.small_requests(socks, sizes.small_requests)
    return _sample("small request", way, meter, outcome)


def download(way: Way, site: Site, sizes: Sizes) -> Sample:
    with Meter(way) as meter:
        outcome = load.download(way.entrance, sizes.bulk, at_once=2)
    return _sample("download", way, meter, outcome, unit=1e9)


def upload(way: Way, site: Site, sizes: Sizes) -> Sample:
    with Meter(way) as meter:
        outcome = load.upload(way.entrance, sizes.bulk, at_once=2)
    return _sample("upload", way, meter, outcome, unit=1e9)


def handshakes(way: Way, site: Site, sizes: Sizes) -> Sample:
    assert way.door is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(site.anchors)
    context.load_cert_chain(site.client.certificate, site.client.key)
    if way.door.alpn:
        context.set_alpn_protocols(way.door.alpn)
    with Meter(way) as meter:
        outcome = load.handshakes(way.door, context, site.gateway.identity, sizes.handshakes, at_once=4)
    return _sample("handshake", way, meter, outcome)


def idle(way: Way, site: Site, sizes: Sizes) -> Sample:
    """Memory instead of CPU, in freshly started processes that have carried one connection."""
    with load.open_connections(way.entrance, 1):
        pass
    before = [_memory(way.gateway), _memory(way.client)]
    with load.open_connections(way.entrance, sizes.idle_connections):
        grown = [_memory(pid) - was for pid, was in zip((way.gateway, way.client), before, strict=True)]
    gateway, client = (bytes_ / sizes.idle_connections for bytes_ in grown)
    return Sample("idle connection", way.name, gateway, client, None)


SCENARIOS = (
    Scenario("new connection", new_connections),  # first: the pool fills within it
    Scenario("small request", small_requests),
    Scenario("download", download),
    Scenario("upload", upload),
    Scenario("handshake", handshakes, needs_door=True),
)
IDLE = Scenario("idle connection", idle, needs_door=True)


def measured(scenario: Scenario, way: Way, site: Site, sizes: Sizes) -> Sample:
    """A sample; one that could not even begin is a wrong one."""
    try:
        return scenario.run(way, site, sizes)
    except (OSError, EOFError, AssertionError) as error:
        print(f"  {way.name}: {scenario.name}: {error!r}")
        return Sample(scenario.name, way.name, None, None, None, wrong=1)


def _sample(name: str, way: Way, meter: Meter, outcome: Outcome, *, unit: float = 1.0) -> Sample:
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


def _cpu(pid: int | None) -> float:
    return cpu_seconds(pid) if pid is not None else 0.0


def _memory(pid: int | None) -> int:
    return memory(pid) if pid is not None else 0
