"""A very short real run: ours at both ends, real processes, every byte checked."""

from dataclasses import replace

from benchmarks.direct import DIRECT
from benchmarks.ours import OURS
from benchmarks.run import run
from benchmarks.samples import QUICK
from benchmarks.scenarios import SCENARIOS
from benchmarks.table import MEASURES, rows

TINY = replace(
    QUICK,
    rounds=1,
    new_connections=20,
    small_requests=100,
    bulk=2_000_000,
    handshakes=4,
    idle_connections=5,
    idle_rounds=1,
    held=(3, 6),
    silent=20,
    newcomers=4,
    storm=0.2,
    message_sizes=(1, 1 << 20),
    echoed=20,
    far=2,
)


def test_every_row_has_a_figure_of_ours_and_nothing_is_wrong() -> None:
    table = rows(run([OURS, DIRECT], TINY, say=lambda _: None), ())
    assert [row.what for row in table][: len(MEASURES)] == [measure.what for measure in MEASURES]
    assert len(table) == len(MEASURES) + 2 + 2 * 2  # a row for each step of what grows
    assert not [row.what for row in table if row.wrong or row.ours is None]
    with_floor = [row.what for row in table if row.direct is not None]
    assert with_floor == [row.what for row in table if row.what.startswith(("time per", "time to"))]


def test_a_new_connection_over_a_long_path_takes_one_round_trip_and_without_us_two() -> None:
    [far] = [scenario for scenario in SCENARIOS if scenario.name == "far"]
    [row] = rows(run([OURS, DIRECT], TINY, scenarios=[far], say=lambda _: None), ())
    assert row.ours is not None
    assert row.direct is not None
    assert row.ours >= 1.0
    assert row.direct >= 2.0
    assert row.ours < row.direct
