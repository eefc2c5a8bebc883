"""One line and one count for each stream, whatever its end; bytes that never go back."""

import asyncio
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from gateway.buffers import Buffers
from gateway.journal import Entry, Journal
from gateway.metrics import DataPathMetrics
from gateway.pump import Ending, Outcome, Pump, PumpLimits
from gateway.refusals import NotAllowed, Reason, Refused
from gateway.stream_metrics import Direction
from gateway.tunnel import Tunnel
from gateway.wire import Wire

ID = "0123456789abcdef0123456789abcdef"


class Book:
    """A journal and what it counts."""

    def __init__(self, direction: Direction = "inbound") -> None:
        self.registry = CollectorRegistry()
        self.direction = direction
        self.journal = Journal(direction, DataPathMetrics(self.registry, direction))

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"direction": self.direction, **labels})

    def of_side(self, name: str, peer: str, **labels: str) -> float | None:
        tls = "true" if (self.direction == "inbound") is (peer == "src") else "no_identity"
        return self.value(name, peer=peer, tls=tls, **labels)


def entry() -> Entry:
    return Entry(
        id=ID,
        service="podinfo.test.svc.cluster.local",
        port=9898,
        peer="web.test.serviceaccount.identity.jackstay.cluster.local",
        source="10.0.0.1:40000",
    )


def pump(sent: int = 0, received: int = 0, *, answered_at: float | None = None) -> Pump:
    """One that moves nothing and has counted this."""
    one = Pump(cast("Tunnel", None), cast("Wire", None), Buffers(), PumpLimits())  # neither is asked anything
    one.sent, one.received, one.answered_at = sent, received, answered_at
    return one


def closed(book: Book, one: Entry, raising: BaseException | None = None) -> dict[str, Any]:
    """The one line that is left of *one*, whose block raises *raising*."""
    expected: AbstractContextManager[pytest.ExceptionInfo[BaseException] | None] = (
        pytest.raises(type(raising)) if raising is not None else nullcontext()
    )
    with capture_logs() as lines, expected as caught, book.journal.stream(one):
        assert one in book.journal.running
        if raising is not None:
            raise raising
    assert caught is None or caught.value is raising
    assert not book.journal.running
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("connection.closed", "info")
    return dict(line)


@pytest.mark.parametrize("direction", ["inbound", "outbound"])
async def test_the_line_says_who_where_how_much_and_how_it_ended(direction: Direction) -> None:
    one = entry()
    one.carried_by(pump(100, 2000))
    one.backend, one.outcome = "10.0.0.9:80", Outcome(Ending.FINISHED)
    line = closed(Book(direction), one)
    seconds = line.pop("seconds")
    assert isinstance(seconds, float)
    assert seconds >= 0
    assert line == {
        "event": "connection.closed",
        "log_level": "info",
        "direction": direction,
        "id": ID,
        "ending": "finished",
        "service": "podinfo.test.svc.cluster.local:9898",
        "peer": "web.test.serviceaccount.identity.jackstay.cluster.local",
        "source": "10.0.0.1:40000",
        "backend": "10.0.0.9:80",
        "sent": 100,
        "received": 2000,
    }


ENDINGS = [
    (Outcome(Ending.FINISHED), "finished", None),
    (Outcome(Ending.REFUSED, Reason.NOT_EXPORTED, "no"), "refused", Reason.NOT_EXPORTED),
    (Outcome(Ending.LOCAL_RESET, Reason.BACKEND_RESET, "rst"), "local_reset", Reason.BACKEND_RESET),
    (Outcome(Ending.REMOTE_RESET, Reason.PEER_RESET, "rst"), "remote_reset", Reason.PEER_RESET),
    (Outcome(Ending.TUNNEL_LOST, Reason.PROTOCOL, "bad"), "tunnel_lost", Reason.PROTOCOL),
    (Outcome(Ending.TIMED_OUT, Reason.TIMEOUT, "idle"), "timed_out", Reason.TIMEOUT),
    (Outcome(Ending.CUT, Reason.DRAINING, "drain"), "cut", Reason.DRAINING),
    (None, "cut", Reason.INTERNAL),
]


@pytest.mark.parametrize(("outcome", "ending", "reason"), ENDINGS)
async def test_every_ending_is_one_line_and_one_count(
    outcome: Outcome | None, ending: str, reason: Reason | None
) -> None:
    book, one = Book(), entry()
    one.outcome = outcome
    line = closed(book, one)
    assert line["ending"] == ending
    assert line.get("reason") == reason
    assert ("message" in line) is (reason is not None)
    for peer in ("src", "dst"):
        assert book.of_side("tcp_open_total", peer) == 1
        assert book.of_side("tcp_open_connections", peer) == 0
        assert book.of_side("tcp_close_total", peer, errno=reason or "") == 1
    refused = outcome is not None and outcome.ending is Ending.REFUSED
    counted = sum(book.value("jackstay_refused_total", reason=any_reason) or 0 for any_reason in Reason)
    assert counted == refused


@pytest.mark.parametrize("refusal", Refused.__subclasses__())
async def test_a_refusal_is_taken_down_and_goes_on(refusal: type[Refused]) -> None:
    book = Book()
    line = closed(book, entry(), refusal("the sentence"))
    assert (line["ending"], line["reason"], line["message"]) == ("refused", refusal.reason, "the sentence")
    assert book.value("jackstay_refused_total", reason=refusal.reason) == 1
    assert book.of_side("tcp_close_total", "src", errno=refusal.reason) == 1


async def test_a_cancelled_stream_ended_because_we_do() -> None:
    line = closed(Book(), entry(), asyncio.CancelledError())
    assert (line["ending"], line["reason"]) == ("cut", "draining")


async def test_a_defect_is_not_swallowed_and_counts_as_ours() -> None:
    line = closed(Book(), entry(), ZeroDivisionError())
    assert (line["ending"], line["reason"]) == ("cut", "internal")


async def test_several_tries_are_told_and_one_is_not() -> None:
    one = entry()
    one.tries = 3
    assert closed(Book("outbound"), one)["tries"] == "3"
    assert "tries" not in closed(Book("outbound"), entry())


async def test_a_reset_has_its_reason_in_plain_letters() -> None:
    one = entry()
    one.outcome = Outcome(Ending.LOCAL_RESET, Reason.BACKEND_RESET, "Connection reset by peer")
    assert type(closed(Book(), one)["reason"]) is str


@pytest.mark.parametrize(("direction", "from_src", "from_dst"), [("inbound", 7, 100), ("outbound", 100, 7)])
async def test_bytes_count_while_the_stream_runs_and_once_when_it_has_ended(
    direction: Direction, from_src: int, from_dst: int
) -> None:
    book, one = Book(direction), entry()

    def counted() -> list[float | None]:
        return [
            book.of_side(name, peer)
            for name in ("tcp_read_bytes_total", "tcp_write_bytes_total")
            for peer in ("src", "dst")
        ]

    with book.journal.stream(one):
        assert counted() == [0, 0, 0, 0]
        one.carried_by(pump(60, 3))
        assert sum(filter(None, counted())) == 126
        one.carried_by(pump(100, 7))
        one.outcome = Outcome(Ending.FINISHED)
        assert counted() == [from_src, from_dst, from_dst, from_src]
    assert counted() == [from_src, from_dst, from_dst, from_src]


async def test_what_is_tried_again_counts_once_and_never_goes_back() -> None:
    book, one = Book("outbound"), entry()

    def read() -> float:
        return book.of_side("tcp_read_bytes_total", "src") or 0

    with book.journal.stream(one):
        one.carried_by(pump(500))
        assert read() == 500
        again = pump()
        one.carried_by(again)  # a tunnel on which data waits for OPENED
        assert read() == 500
        again.sent = 500
        assert read() == 500
        again.sent, again.received = 800, 1
        assert read() == 800
        one.carried_by(pump())
        assert one.bytes == (800, 0)
    assert read() == 800


async def test_a_stream_that_was_answered_has_a_time_to_ready_and_others_none() -> None:
    book, one = Book("outbound"), entry()
    with book.journal.stream(one):
        assert one.seconds_to_ready is None
        one.carried_by(pump(answered_at=one._started + 0.5))
        assert one.seconds_to_ready == pytest.approx(0.5)
    closed(book, entry(), NotAllowed("no"))
    assert book.value("jackstay_stream_ready_seconds_count") == 1
    assert book.value("jackstay_stream_ready_seconds_sum") == pytest.approx(0.5)


async def test_streams_that_run_are_shown_as_they_are_now() -> None:
    one = entry()
    one.backend = "10.0.0.9:80"
    with Book().journal.stream(one):
        one.carried_by(pump(5, 6))
        shown = one.as_dict()
        assert shown.pop("seconds") == pytest.approx(0, abs=60)
        assert shown == {
            "id": ID,
            "service": "podinfo.test.svc.cluster.local:9898",
            "peer": "web.test.serviceaccount.identity.jackstay.cluster.local",
            "source": "10.0.0.1:40000",
            "backend": "10.0.0.9:80",
            "sent": 5,
            "received": 6,
        }


async def test_streams_do_not_mix() -> None:
    book, first, second = Book(), entry(), entry()
    with capture_logs() as lines, book.journal.stream(first):
        first.outcome = Outcome(Ending.FINISHED)
        with book.journal.stream(second):
            assert book.journal.running == {first, second}
            assert book.of_side("tcp_open_connections", "src") == 2
            second.outcome = Outcome(Ending.CUT, Reason.DRAINING, "drain")
        assert book.journal.running == {first}
        assert book.of_side("tcp_open_connections", "src") == 1
    assert [line["ending"] for line in lines] == ["cut", "finished"]
