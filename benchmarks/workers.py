"""What a gateway's end does in a second with one worker and with two, and what each unit costs it then."""

from benchmarks import through_door
from benchmarks.door_bulk import download_through
from benchmarks.samples import Meter, Sample, Sizes
from benchmarks.site import Site, Way
from benchmarks.through_door import client_context

AT_ONCE = 16
"""Connections: enough that none of two workers is without any."""


def one_worker(way: Way, site: Site, sizes: Sizes) -> Sample:
    return _throughput("1 worker", way, site, sizes)


def two_workers(way: Way, site: Site, sizes: Sizes) -> Sample:
    return _throughput("2 workers", way, site, sizes)


def _throughput(name: str, way: Way, site: Site, sizes: Sizes) -> Sample:
    assert way.door is not None
    context = client_context(way.door, site.client, site.anchors)
    identity = site.gateway.identity
    figures = {}
    with Meter(way) as meter:
        outcome = through_door.handshakes(way.door, [context], identity, sizes.handshakes, at_once=AT_ONCE)
    wrong = outcome.wrong
    if outcome.right:
        figures["handshakes"] = outcome.right / outcome.seconds
        figures["handshake"] = meter.gateway / outcome.right
    with Meter(way) as meter:
        outcome = download_through(way.door, context, identity, sizes.bulk, AT_ONCE)
    wrong += outcome.wrong
    if outcome.right:
        figures["bytes"] = outcome.right / outcome.seconds
        figures["byte"] = meter.gateway / outcome.right
    return Sample(name, way.name, None, None, None, wrong, figures=figures)
