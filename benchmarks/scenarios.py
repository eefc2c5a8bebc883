"""What is measured: each scenario puts one load on one way and says how much was done."""

from dataclasses import replace
from statistics import median
from subprocess import TimeoutExpired

from benchmarks import held, load, makers, through_door
from benchmarks.door_bulk import door_download, door_upload
from benchmarks.programs import located
from benchmarks.samples import PERCENTILES, Meter, Sample, Scenario, Setting, Sizes, sample
from benchmarks.site import Site, Way
from benchmarks.storm import knock, latencies, percentile, storm_maker
from benchmarks.through_door import client_context
from benchmarks.workers import one_worker, two_workers

STORM_RATE = 200.0


def new_connections(way: Way, site: Site, sizes: Sizes) -> Sample:
    return _new_connections("new connection", way, sizes.new_connections, sizes)


def unshared_connections(way: Way, site: Site, sizes: Sizes) -> Sample:
    """As above, but a full handshake each: one tunnel for each connection proves it."""
    done = _new_connections("unshared", way, sizes.unshared, sizes)
    return (
        done
        if done.tunnels is None
        else replace(done, figures={"tunnels each": done.tunnels / sizes.unshared})
    )


def _new_connections(name: str, way: Way, count: int, sizes: Sizes) -> Sample:
    with Meter(way) as meter:
        outcome = load.new_connections(way.entrance, count, at_once=sizes.at_once)
    done = sample(name, way, meter, outcome)
    return replace(done, tunnels=way.tunnels() if way.tunnels is not None else None)


def small_requests(way: Way, site: Site, sizes: Sizes) -> Sample:
    with load.open_connections(way.entrance, sizes.open_connections) as socks, Meter(way) as meter:
        outcome = load.small_requests(socks, sizes.small_requests)
    return sample("small request", way, meter, outcome)


def download(way: Way, site: Site, sizes: Sizes) -> Sample:
    with Meter(way) as meter:
        outcome = load.download(way.entrance, sizes.bulk, at_once=2)
    return sample("download", way, meter, outcome, unit=1e9)


def upload(way: Way, site: Site, sizes: Sizes) -> Sample:
    with Meter(way) as meter:
        outcome = load.upload(way.entrance, sizes.bulk, at_once=2)
    return sample("upload", way, meter, outcome, unit=1e9)


def handshakes(way: Way, site: Site, sizes: Sizes) -> Sample:
    assert way.door is not None
    context = client_context(way.door, site.client, site.anchors)
    with Meter(way) as meter:
        outcome = through_door.handshakes(way.door, [context], site.gateway.identity, sizes.handshakes)
    return sample("handshake", way, meter, outcome)


def newcomers(way: Way, site: Site, sizes: Sizes) -> Sample:
    """Handshakes as above, but no chain is ever seen twice."""
    assert way.door is not None
    contexts = [client_context(way.door, leaf, site.anchors) for leaf in site.newcomers]
    with Meter(way) as meter:
        outcome = through_door.handshakes(way.door, contexts, site.gateway.identity, len(contexts))
    return sample("newcomer", way, meter, outcome)


def storm(way: Way, site: Site, sizes: Sizes) -> Sample:
    """Latencies on open connections through both ends, in quiet and while others knock at the gateway's."""
    assert way.door is not None
    with load.open_connections(way.entrance, 8) as socks, storm_maker() as maker:
        quiet = latencies(socks, sizes.storm)
        knocking = maker.submit(
            knock, way.door, site.client, site.anchors, site.gateway.identity, STORM_RATE, sizes.storm
        )
        stormy = latencies(socks, 10 * sizes.storm, until=knocking)
        right, wrong, seconds = knocking.result()
    figures = {"rate": right / seconds}
    for at in PERCENTILES:
        figures[f"p{at:g}"] = percentile(stormy, at / 100)
        figures[f"quiet p{at:g}"] = percentile(quiet, at / 100)
    figures["added p99"] = figures["p99"] - figures["quiet p99"]
    return Sample("storm", way.name, None, None, None, wrong, figures=figures)


def message_sizes(way: Way, site: Site, sizes: Sizes) -> Sample:
    figures = {}
    wrong = 0
    for size in sizes.message_sizes:
        with Meter(way) as meter:
            outcome = load.echoes(way.entrance, size, max(20, min(2_000, sizes.echoed // size)))
        wrong += outcome.wrong
        if outcome.right:
            figures[f"{size}"] = (meter.gateway + meter.client) / outcome.right
    return Sample("message size", way.name, None, None, None, wrong, figures=figures)


def far(way: Way, site: Site, sizes: Sizes) -> Sample:
    """From connecting to the first byte, in round trips; after a first connection, as in a running system."""
    load.first_byte(way.entrance)
    seconds = [load.first_byte(way.entrance) for _ in range(sizes.far)]
    return Sample("far", way.name, None, None, median(seconds) / (2 * site.delay))


SCENARIOS = (
    Scenario("new connection", new_connections),  # first: the pool fills within it
    Scenario("small request", small_requests),
    Scenario("download", download),
    Scenario("upload", upload),
    Scenario("handshake", handshakes, needs_door=True),
    Scenario("newcomer", newcomers, needs_door=True),
    Scenario("door download", door_download, needs_door=True, full_only=True),
    Scenario("door upload", door_upload, needs_door=True, full_only=True),
    Scenario("storm", storm, needs_door=True),
    Scenario("message size", message_sizes, needs_door=True),
    Scenario("idle connection", held.idle, needs_door=True, setting=Setting.FRESH),
    Scenario("silent socket", held.silent, needs_door=True, setting=Setting.FRESH),
    Scenario("growth", held.growth, needs_door=True, setting=Setting.FRESH),
    Scenario("1 worker", one_worker, needs_door=True, setting=Setting.FRESH, full_only=True),
    Scenario("2 workers", two_workers, needs_door=True, setting=Setting.TWO_WORKERS, full_only=True),
    Scenario("unshared", unshared_connections, setting=Setting.UNSHARED, full_only=True),
    Scenario("far", far, setting=Setting.FAR),
    Scenario("wrk, kept open", makers.wrk_kept, full_only=True, program="wrk"),
    Scenario("wrk, closed", makers.wrk_closed, full_only=True, program="wrk"),
    Scenario(
        "iperf3, downwards", makers.iperf3_down, setting=Setting.IPERF3, full_only=True, program="iperf3"
    ),
    Scenario("iperf3, upwards", makers.iperf3_up, setting=Setting.IPERF3, full_only=True, program="iperf3"),
)


def chosen(word: str, *, full: bool) -> list[Scenario]:
    """Those with *word* in their name that a run of this size has, and whose program is here."""
    return [
        one
        for one in SCENARIOS
        if word in one.name and (full or not one.full_only) and (not one.program or located(one.program))
    ]


def measured(scenario: Scenario, way: Way, site: Site, sizes: Sizes) -> Sample:
    """A sample; one that could not even begin is a wrong one."""
    try:
        return scenario.run(way, site, sizes)
    except (OSError, EOFError, AssertionError, ValueError, KeyError, TimeoutExpired) as error:
        print(f"  {way.name}: {scenario.name}: {error!r}")
        return Sample(scenario.name, way.name, None, None, None, wrong=1)
