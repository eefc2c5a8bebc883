"""Every row of the table is refused at both ends, and is taken once its flaw is gone."""

import re

import pytest

from tests.certs.table.ends import SECRET, show
from tests.certs.table.example import Role, Row
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
