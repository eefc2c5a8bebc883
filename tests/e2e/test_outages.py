"""The other cluster away, wholly or in part: nothing here changes that should not, and all comes back."""

import time

from tests.e2e.conftest import Two
from tests.e2e.load import under_load
from tests.e2e.site import eventually, run

OUTAGE = 30.0
"""Seconds: longer than everything that notices, shorter than what gives up."""


def test_a_partition_heals(two: Two, client: str, exported: str, break_things: str) -> None:
    before = two.west.get("service", "podinfo-east", "test")["metadata"]
    began = time.monotonic()
    run(break_things, "partition", "west", "east")
    try:
        eventually(lambda: two.west.mirrored("podinfo-east") == (set(), {exported}), "a gateway that is dead")
        eventually(lambda: two.west.conditions("east")["GatewayAlive"] == "False", "the Link to say so")
        eventually(lambda: two.west.conditions("east")["RemoteReachable"] == "False", "the Link to say so")
        eventually(lambda: time.monotonic() - began > OUTAGE, "the outage to last")
        during = two.west.get("service", "podinfo-east", "test")["metadata"]
        assert (during["uid"], during["resourceVersion"]) == (before["uid"], before["resourceVersion"])
    finally:
        run(break_things, "heal")
    eventually(lambda: two.west.mirrored("podinfo-east") == ({exported}, set()), "a gateway that lives")
    eventually(lambda: set(two.west.conditions("east").values()) == {"True"}, "a Link without complaints")
    with under_load(two.west, client, rate=10, seconds=5, longest=0) as load:
        pass
    assert load.failed == [], str(load)


def test_an_api_server_that_hangs_changes_nothing(
    two: Two, client: str, exported: str, break_things: str
) -> None:
    def seen() -> list[tuple[str, str]]:
        found = (two.west.get(kind, "podinfo-east", "test") for kind in ("service", "endpoints"))
        return [(one["metadata"]["uid"], one["metadata"]["resourceVersion"]) for one in found]

    before = seen()
    with under_load(two.west, client, rate=10, seconds=OUTAGE, longest=2) as load:
        run(break_things, "signal", "east", "apiserver", "STOP")
        try:
            began = time.monotonic()
            eventually(lambda: time.monotonic() - began > OUTAGE, "the outage to last")
            assert seen() == before
            assert two.west.conditions("east")["GatewayAlive"] == "True"
        finally:
            run(break_things, "signal", "east", "apiserver", "CONT")
    assert load.failed == [], str(load)
    eventually(lambda: set(two.west.conditions("east").values()) == {"True"}, "a Link without complaints")
    assert seen() == before
