"""
Connections and sockets that are held: what memory they take, and what requests cost among them.

Ours serves as many as a third of its descriptors: two for each that is served, one for each that is
silent yet. So the number of descriptors says how far growth can go, for all alike.
"""

import resource
import time
from collections.abc import Sequence

from benchmarks import load, through_door
from benchmarks.accounting import sockets
from benchmarks.samples import Meter, Sample, Sizes, memory_of
from benchmarks.site import Site, Way
from benchmarks.through_door import client_context

ACCEPTED = 3.0
"""Seconds in which sockets must be accepted: no end may have given up on the first of them by then."""

_EACH, _OTHERS, _ROUND = 3, 300, 100


def descriptors() -> int:
    """How many descriptors each process may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def reachable(steps: Sequence[int], available: int) -> tuple[int, ...]:
    """*steps*, but for the last: the most, in hundreds, that *available* descriptors allow."""
    most = max(_ROUND, (available - _OTHERS) // _EACH // _ROUND * _ROUND)
    return tuple(dict.fromkeys(min(step, most) for step in steps))


def bounded(steps: Sequence[int], available: int) -> str:
    """A sentence if not all *steps* can be reached; else nothing."""
    last = reachable(steps, available)[-1]
    if last == steps[-1]:
        return ""
    return (
        f"growth ends at {last:,} connections instead of {steps[-1]:,}, since a process may have "
        f"{available:,} descriptors here; to have all: ulimit -n {steps[-1] * _EACH + _OTHERS}"
    )


def idle(way: Way, site: Site, sizes: Sizes) -> Sample:
    """Memory instead of CPU, in freshly started processes that have carried one connection."""
    with load.open_connections(way.entrance, 1):
        pass
    before = [memory_of(way.gateway), memory_of(way.client)]
    with load.open_connections(way.entrance, sizes.idle_connections):
        grown = [memory_of(pid) - was for pid, was in zip((way.gateway, way.client), before, strict=True)]
    gateway, client = (bytes_ / sizes.idle_connections for bytes_ in grown)
    return Sample("idle connection", way.name, gateway, client, None)


def growth(way: Way, site: Site, sizes: Sizes) -> Sample:
    """Memory and requests' cost at the gateway's end as more and more connections are held open."""
    assert way.door is not None
    load.all_descriptors()
    context = client_context(way.door, site.client, site.anchors)
    figures = {}
    wrong = 0
    steps = reachable(sizes.held, descriptors())
    with through_door.held(way.door, context, site.gateway.identity) as held:
        held.grow(1)
        before = memory_of(way.gateway)
        for count in steps:
            held.grow(count)
            figures[f"memory {count}"] = (memory_of(way.gateway) - before) / (count - 1)
            with Meter(way) as meter:
                outcome = held.requests(1_000)
            wrong += outcome.wrong
            if outcome.right:
                figures[f"request {count}"] = meter.gateway / outcome.right
    figures["most"] = figures[f"memory {steps[-1]}"]
    return Sample("growth", way.name, None, None, None, wrong, figures=figures)


def silent(way: Way, site: Site, sizes: Sizes) -> Sample:
    """Memory for sockets that have been accepted and never say a word, in freshly started processes."""
    assert way.door is not None
    assert way.gateway is not None
    load.all_descriptors()
    idle = sockets(way.gateway)
    with through_door.silent(way.door, 50):
        _until_held(way.gateway, idle + 50)
    _until_held(way.gateway, idle, exactly=True)
    before = memory_of(way.gateway)
    with through_door.silent(way.door, sizes.silent):
        held = _until_held(way.gateway, idle + sizes.silent)
        grown = memory_of(way.gateway) - before
    wrong = max(0, idle + sizes.silent - held)
    return Sample("silent socket", way.name, max(0.0, grown / sizes.silent), None, None, wrong)


def _until_held(pid: int, count: int, *, exactly: bool = False) -> int:
    """The sockets of *pid*'s tree: *count* or more (or *exactly* that), or what there are after a while."""
    end = time.monotonic() + ACCEPTED
    while (held := sockets(pid)) < count or (exactly and held > count):
        if time.monotonic() > end:
            break
        time.sleep(0.02)
    return held
