"""Every row of the table is refused at both ends, and is taken once its flaw is gone."""

import re

import pytest

from tests.certs.table.ends import SECRET, show
from tests.certs.table.example import BOTH, Make, Role, Row
from tests.certs.table.good import GOOD
from tests.certs.table.rows import ROWS

TRIED = [pytest.param(row, role, id=f"{row} as {role}") for row in ROWS for role in row.roles]


# The library warns of what it reads where it should not have been written.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("row", "role"), TRIED)
async def test_a_bad_certificate_is_refused(row: Row, role: Role) -> None:
    good = await show(row.good(), role)
    assert good.let_in, good
    assert good.reached >= len(SECRET)
    assert good.counted == {"ok": 1}
    bad = await show(row.bad(), role)
    assert not bad.let_in, bad
    assert bad.reached == 0
    assert bad.counted == {row.reason: 1}
    ((reason, said),) = bad.said
    assert reason == row.reason
    assert re.search(row.said, said), said
    # OpenSSL has a word for the other end, what is refused later is closed without one.
    assert (bad.alert is not None) == said.startswith("TLS: "), bad


@pytest.mark.parametrize("role", BOTH)
@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD)
async def test_a_good_certificate_is_taken(make: Make, role: Role) -> None:
    seen = await show(make(), role)
    assert seen.let_in, seen
    assert seen.reached >= len(SECRET)
    assert seen.counted == {"ok": 1}


def test_the_table_is_as_long_as_it_was() -> None:
    assert len({str(row) for row in ROWS}) == len(ROWS) >= 350
    assert len(GOOD) >= 38
