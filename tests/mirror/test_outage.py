"""When the other cluster does not let itself be read: since when, for how long, and what is said of it."""

from datetime import UTC, datetime

import pytest

from cluster.errors import ClusterError, NotConnected, ServerFault, Unreachable
from mirror import findings
from mirror.outage import Outage, after

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
LATER = datetime(2026, 1, 2, 12, 1, 0, tzinfo=UTC)
CUT = Unreachable("east: watch services: the answer broke off: Connection reset by peer")
REFUSED = NotConnected("east: its API server https://east cannot be reached: Connection refused")
FAULT = ServerFault("east: list services: 500")
BEGUN = Outage(10.0, NOON, CUT)


@pytest.mark.parametrize(
    ("before", "failure", "complete", "expected"),
    [
        pytest.param(None, None, True, None, id="all is well"),
        pytest.param(None, None, False, None, id="nothing is known yet"),
        pytest.param(None, CUT, True, Outage(70.0, LATER, CUT), id="it begins"),
        pytest.param(
            BEGUN, REFUSED, True, Outage(10.0, NOON, REFUSED), id="it lasts, for what was wrong last"
        ),
        pytest.param(BEGUN, None, False, BEGUN, id="other credentials have not been tried"),
        pytest.param(BEGUN, None, True, None, id="it is over"),
    ],
)
def test_what_follows(
    before: Outage | None, failure: ClusterError | None, *, complete: bool, expected: Outage | None
) -> None:
    assert after(before, failure, complete=complete, now=70.0, time=LATER) == expected


def test_how_long_it_lasts() -> None:
    assert not BEGUN.lasts(30.0, 39.9)
    assert BEGUN.lasts(30.0, 40.0)


@pytest.mark.parametrize(
    ("because", "reachable", "synced"),
    [
        (CUT, "Unreachable", "RemoteUnreachable"),
        (REFUSED, "Unreachable", "RemoteUnreachable"),
        (FAULT, "ServerFault", "RemoteUnreadable"),
    ],
)
def test_what_is_said_of_it(because: ClusterError, reachable: str, synced: str) -> None:
    found = Outage(10.0, NOON, because)
    assert (findings.unreachable(found).ok, findings.unreachable(found).reason) == (False, reachable)
    assert findings.unreachable(found).message == str(because)
    assert (findings.unread(found).ok, findings.unread(found).reason) == (None, synced)
    assert findings.unread(found).message == (
        f"since 2026-01-02 12:00:00 UTC the mirrors stay as they are: {because}"
    )
