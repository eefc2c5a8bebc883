"""A very short real run: ours at both ends, real processes, every byte checked."""

from dataclasses import replace

from benchmarks.direct import DIRECT
from benchmarks.ours import OURS
from benchmarks.run import run
from benchmarks.scenarios import QUICK
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
)


def test_every_row_has_a_figure_of_ours_and_nothing_is_wrong() -> None:
    table = rows(run([OURS, DIRECT], TINY, say=lambda _: None), ())
    assert [row.what for row in table] == [measure.what for measure in MEASURES]
    assert not [row.what for row in table if row.wrong or row.ours is None]
    assert [row.what for row in table if row.direct is not None] == [
        row.what for row in table if row.what.startswith("time per")
    ]
