"""The verdict on one address, step by step."""

import pytest

from mirror.liveness import Liveness


def believed(probes: str, threshold: int = 3) -> Liveness:
    """What is believed after *probes*: `+` answered, `-` did not."""
    liveness = Liveness()
    for probe in probes:
        if probe == "+":
            liveness = liveness.answered(0.002)
        else:
            liveness = liveness.failed("connection refused", threshold=threshold)
    return liveness


@pytest.mark.parametrize(
    ("probes", "alive"),
    [
        ("", None),
        ("-", None),
        ("--", None),
        ("---", False),  # D-01: dead from the start is found out
        ("+", True),
        ("+--", True),
        ("+---", False),
        ("+--+--", True),
        ("---+", True),
        ("----", False),
    ],
)
def test_a_verdict_needs_one_answer_or_as_many_failures_as_the_threshold(
    probes: str, alive: bool | None
) -> None:
    assert believed(probes).alive is alive


def test_a_failure_says_why_and_an_answer_clears_it() -> None:
    assert believed("+-").because == "connection refused"
    assert believed("+-+").because == ""


def test_the_latency_is_what_is_usual() -> None:
    liveness = Liveness()
    for seconds in (0.002, 0.002, 0.9, 0.002):
        liveness = liveness.answered(seconds)
    assert liveness.latency == 0.002
    assert Liveness().latency is None
