"""The table of bad and good chains, shown to the verification alone: the second and third layer."""

import re

import pytest

from certs.fitness import ROLES
from certs.verification import Role, Untrusted, verify
from tests.certs.forge import NOW
from tests.certs.table import Case
from tests.certs.table.every import BAD, GOOD


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_a_good_chain_is_taken(case: Case, role: Role) -> None:
    made = case.made()
    peer = verify(made.chain, made.bundle, role=role, at=NOW)
    assert peer.chain == tuple(made.chain)
    assert peer.not_after <= made.certificates[0].not_valid_after_utc


@pytest.mark.filterwarnings("ignore::UserWarning")  # as in a process: what a stranger sends writes nothing
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_a_bad_chain_is_refused_with_the_reason_and_taken_without_its_flaw(case: Case, role: Role) -> None:
    made = case.made()
    with pytest.raises(Untrusted) as refused:
        verify(case.sent(made), made.bundle, role=role, at=NOW)
    assert re.search(case.said, str(refused.value))
    assert refused.value.reason == "untrusted"
    assert "\n" not in str(refused.value)
    whole = case.without_flaw()
    verify(whole.chain, whole.bundle, role=role, at=NOW)


def test_no_case_is_in_the_table_twice() -> None:
    names = [case.name for case in (*BAD, *GOOD)]
    assert len(names) == len(set(names))
    assert len(BAD) >= 230
    assert len(GOOD) >= 20
