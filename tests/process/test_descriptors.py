"""How many connections the descriptors allow."""

import subprocess
import sys

import pytest

from process.descriptors import bounded


@pytest.mark.parametrize(
    ("most", "each", "available", "allowed"),
    [(10_000, 3, 1_048_576, 10_000), (10_000, 3, 1024, 320), (10_000, 2, 1024, 480), (5, 2, 10, 1)],
)
def test_most_connections(most: int, each: int, available: int, allowed: int) -> None:
    assert bounded(most, each=each, available=available) == allowed


def test_the_limit_is_raised_as_far_as_it_may_be() -> None:
    code = (
        "import resource; from process.descriptors import raise_limit; "
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200)); print(raise_limit())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "200\n"
