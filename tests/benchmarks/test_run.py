"""A very short real run: ours at both ends, real processes, every byte checked."""

from benchmarks.direct import DIRECT
from benchmarks.measures import MEASURES
from benchmarks.ours import OURS
from benchmarks.peers import at_hand
from benchmarks.run import run
from benchmarks.scenarios import SCENARIOS
from benchmarks.table import rows
from tests.benchmarks.sizes import TINY


def test_every_row_has_a_figure_of_ours_and_nothing_is_wrong() -> None:
    scenarios = [scenario for scenario in SCENARIOS if not scenario.program]
    table = rows(run([OURS, DIRECT], TINY, scenarios=scenarios, say=lambda _: None), ())
    names = {scenario.name for scenario in scenarios}
    expected = [measure.what for measure in MEASURES if measure.scenario in names]
    assert [row.what for row in table][: len(expected)] == expected
    assert len(table) == len(expected) + 2 + 2 * 2  # a row for each step of what grows
    assert not [row.what for row in table if row.wrong or row.ours is None]
    with_floor = [row.what for row in table if row.direct is not None]
    assert with_floor == [row.what for row in table if row.what.startswith(("time per", "time to"))]


def test_without_reuse_each_connection_has_a_tunnel_of_its_own() -> None:
    unshared = [scenario for scenario in SCENARIOS if scenario.name == "unshared"]
    here, _ = at_hand()
    names = [peer.name for peer in here]
    table = rows(run([OURS, *here], TINY, scenarios=unshared, say=lambda _: None), names)
    [tunnels] = [row for row in table if row.what == "tunnels opened for each of those"]
    assert tunnels.ours == 1.0
    assert not [row for row in table if row.wrong]


def test_throughput_has_a_figure_of_everybody_with_one_worker_and_with_two() -> None:
    scenarios = [scenario for scenario in SCENARIOS if scenario.name in ("1 worker", "2 workers")]
    here, _ = at_hand()
    names = [peer.name for peer in here]
    table = rows(run([OURS, *here], TINY, scenarios=scenarios, say=lambda _: None), names)
    assert len(table) == 8
    for row in table:
        assert not row.wrong, row
        assert None not in (row.ours, *row.peers.values()), row


def test_a_new_connection_over_a_long_path_takes_one_round_trip_and_without_us_two() -> None:
    [far] = [scenario for scenario in SCENARIOS if scenario.name == "far"]
    [row] = rows(run([OURS, DIRECT], TINY, scenarios=[far], say=lambda _: None), ())
    assert row.ours is not None
    assert row.direct is not None
    assert row.ours >= 1.0
    assert row.direct >= 2.0
    assert row.ours < row.direct
