"""Shares are told by whose code it was."""

import pytest

from benchmarks.profile import HOW_TO, profile, shares
from tests.benchmarks.sizes import TINY

REPORT = """
# Overhead  Shared Object
# ........  .....................................
#
    50.25%  [kernel.kallsyms]
    20.00%  python3.11
    10.00%  libcrypto.so.3
     5.00%  _ssl.cpython-311-x86_64-linux-gnu.so
     8.00%  loop.cpython-311-x86_64-linux-gnu.so
     4.00%  libc.so.6
     2.50%  _rust.abi3.so
     0.25%  [vdso]
"""


def test_shares_are_summed_by_owner_and_the_largest_is_first() -> None:
    assert list(shares(REPORT).items()) == [
        ("kernel", 50.5),
        ("interpreter", 20.0),
        ("OpenSSL", 15.0),
        ("uvloop", 8.0),
        ("libc", 4.0),
        ("others", 2.5),
    ]
    assert shares("") == {}


def test_without_perf_one_sentence_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.profile.located", lambda _: None)
    assert not profile([], TINY)
    assert capsys.readouterr().out == f"{HOW_TO}\n"
