"""Endpoints that keep failing: when they are passed over, for how long, and how they come back."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.ejection import FAILURES, PAUSE, Ejections
from process.address import Address

ONE, OTHER = Address("10.0.0.1", 80), Address("10.0.0.2", 80)


class Book:
    """Ejections on a clock that the test moves, and what they have told."""

    def __init__(self) -> None:
        self.now = 100.0
        self.told: list[tuple[Address, bool]] = []
        self.ejections = Ejections(
            lambda: self.now, lambda: 0.0, changed=lambda *said: self.told.append(said)
        )

    def fail(self, endpoint: Address, times: int = FAILURES) -> None:
        for _ in range(times):
            self.ejections.failed(endpoint)


def test_fewer_failures_eject_nobody_and_a_success_forgets_them() -> None:
    book = Book()
    for _ in range(5):
        book.fail(ONE, FAILURES - 1)
        assert ONE not in book.ejections
        book.ejections.succeeded(ONE)
    assert not book.ejections
    assert book.told == []


def test_failures_in_a_row_eject_and_the_pause_ends() -> None:
    book = Book()
    book.fail(ONE)
    assert ONE in book.ejections
    assert OTHER not in book.ejections
    assert len(book.ejections) == 1
    book.now += PAUSE.delay(0, 0.0)
    assert ONE not in book.ejections
    assert book.told == [(ONE, True)]


def test_one_stream_at_a_time_is_the_trial() -> None:
    book = Book()
    book.fail(ONE)
    book.now += PAUSE.delay(0, 0.0)
    book.ejections.tried(ONE)
    assert ONE in book.ejections
    book.ejections.succeeded(ONE)
    assert ONE not in book.ejections
    assert not book.ejections
    assert book.told == [(ONE, True), (ONE, False)]


def test_a_trial_that_nobody_hears_of_makes_room_for_another() -> None:
    book = Book()
    book.fail(ONE)
    book.now += PAUSE.delay(0, 0.0)
    book.ejections.tried(ONE)
    book.now += 60.0
    assert ONE not in book.ejections


def test_each_further_failure_lengthens_the_pause_up_to_a_bound() -> None:
    book = Book()
    book.fail(ONE)
    for number in range(1, 12):
        book.now += PAUSE.delay(number - 1, 0.0)
        book.ejections.tried(ONE)
        failed_at = book.now
        book.fail(ONE, 1)
        book.now = failed_at + PAUSE.delay(number, 0.0) - 0.01
        assert ONE in book.ejections
        book.now = failed_at + PAUSE.delay(number, 0.0)
        assert ONE not in book.ejections
        book.now = failed_at
    assert book.told == [(ONE, True)]
    assert PAUSE.delay(12, 0.0) <= PAUSE.most


def test_what_is_in_no_route_any_more_is_forgotten() -> None:
    book = Book()
    book.fail(ONE)
    book.fail(OTHER, 1)
    book.ejections.keep([OTHER])
    assert ONE not in book.ejections
    assert len(book.ejections) == 0
    book.fail(OTHER, FAILURES - 1)
    assert OTHER in book.ejections


@given(st.lists(st.sampled_from(["fail", "succeed", "try", "wait"]), max_size=60))
def test_whatever_happens_a_success_brings_an_endpoint_back(happened: list[str]) -> None:
    book = Book()
    for what in happened:
        match what:
            case "fail":
                book.ejections.failed(ONE)
            case "succeed":
                book.ejections.succeeded(ONE)
                assert ONE not in book.ejections
            case "try":
                book.ejections.tried(ONE)
            case _:
                book.now += 1.0
    out = [ejected for _, ejected in book.told]
    assert out == [number % 2 == 0 for number in range(len(out))]
