"""The list of differences: nothing stands on it in vain, and nothing is left out without it."""

import re
from pathlib import Path

import pytest

from tests.kubernetes.differences import DIFFERENCES, local_only, real_only

USED = re.compile(r'@(?:local|real)_only\(\s*"([^"]+)"')


def test_every_difference_is_why_some_test_runs_on_one_server_only() -> None:
    found = {
        name
        for path in Path(__file__).parent.glob("test_*.py")
        for name in USED.findall(path.read_text(encoding="utf-8"))
    }
    assert found == DIFFERENCES.keys()


@pytest.mark.parametrize("decorator", [local_only, real_only])
def test_what_is_not_on_the_list_is_no_reason(decorator: object) -> None:
    assert callable(decorator)
    with pytest.raises(ValueError, match="'it is slow' is not on the list of differences: "):
        decorator("it is slow")
