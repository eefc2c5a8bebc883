from dataclasses import dataclass

import pytest

from cluster.course import Course, Ending, Pace

LIST, WATCH = Course(listing=True), Course(listing=False)
PACE = Pace()


@dataclass(frozen=True)
class Case:
    what: str
    before: Course
    ending: Ending
    after: Course
    lived: float = 0.0
    heard: bool = False
    due: bool = False


CASES = [
    Case("listed", LIST, Ending.LISTED, WATCH),
    Case("listed in vain so far", Course(True, 2), Ending.LISTED, Course(False, 2)),
    Case("not listed", LIST, Ending.FAILED, Course(True, 1, True)),
    Case("not listed for long", Course(True, 7), Ending.FAILED, Course(True, 8, True), lived=60.0),
    Case("page gone", LIST, Ending.EXPIRED, Course(True, 1, True)),
    Case("ended in time", Course(False, 2), Ending.ENDED, WATCH, lived=270.0, heard=True),
    Case("ended in time, quiet", Course(False, 2), Ending.ENDED, WATCH, lived=270.0),
    Case("ended and due", WATCH, Ending.ENDED, LIST, lived=270.0, due=True),
    Case("ended at once", WATCH, Ending.ENDED, Course(False, 1, True)),
    Case("ended soon with news", WATCH, Ending.ENDED, Course(False, 0, True), lived=1.0, heard=True),
    Case("ended at once again and again", Course(False, 9), Ending.ENDED, Course(False, 10, True)),
    Case("ended by us", Course(False, 2), Ending.RECALLED, Course(True, 2)),
    Case("expired after long", WATCH, Ending.EXPIRED, LIST, lived=99.0),
    Case("expired at once", WATCH, Ending.EXPIRED, Course(True, 1, True)),
    Case("broke off", WATCH, Ending.FAILED, Course(False, 0, True), lived=99.0, heard=True),
    Case("broke off at once", WATCH, Ending.FAILED, Course(False, 1, True)),
    Case("broke off, due", WATCH, Ending.FAILED, Course(True, 1, True), due=True),
    Case("in vain three times", Course(False, 2), Ending.FAILED, Course(True, 3, True)),
    Case("away three times", Course(False, 2), Ending.AWAY, Course(True, 3, True, True)),
    Case("away", WATCH, Ending.AWAY, Course(False, 0, True, True), lived=99.0, heard=True),
    Case("still away", Course(True, 4, True, True), Ending.AWAY, Course(True, 4, True, True)),
    Case("away after long trouble", Course(True, 9), Ending.AWAY, Course(True, 4, True, True)),
    Case("back, not well yet", Course(True, 4, True, True), Ending.FAILED, Course(True, 4, True)),
    Case("not well", Course(True, 4, True), Ending.FAILED, Course(True, 5, True)),
    Case("back", Course(True, 4, True, True), Ending.LISTED, Course(False, 4)),
]


@pytest.mark.parametrize("case", CASES, ids=[case.what for case in CASES])
def test_what_follows(case: Case) -> None:
    course = case.before.after(case.ending, lived=case.lived, heard=case.heard, due=case.due, pace=PACE)
    assert course == case.after


def test_there_is_no_pause_where_all_is_well() -> None:
    assert Course(False, 5, False).pause(PACE, 0.9) == 0.0


def test_pauses_grow_to_half_a_minute() -> None:
    pauses = [Course(True, fruitless, True).pause(PACE, 0.999999) for fruitless in range(9)]
    assert [round(pause, 1) for pause in pauses] == [0.5, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert Course(True, 10**6, True).pause(PACE, 0.0) == 15.0


def test_while_a_server_is_away_pauses_grow_to_four_seconds_and_no_longer() -> None:
    course, longest = Course(), []
    for _ in range(50):
        course = course.after(Ending.AWAY, lived=0.01, heard=False, due=False, pace=PACE)
        longest.append(round(course.pause(PACE, 0.999999), 1))
    assert longest[:5] == [0.5, 1.0, 2.0, 4.0, 4.0]
    assert longest[-1] == 4.0
    assert course.pause(PACE, 0.0) == 2.0


@pytest.mark.parametrize("ending", [Ending.ENDED, Ending.EXPIRED, Ending.FAILED])
def test_a_server_that_does_only_that_is_asked_ever_more_seldom(ending: Ending) -> None:
    course, waited, requests = Course(), 0.0, 0
    while waited < 600.0:
        requests += 1
        step = Ending.LISTED if course.listing and ending is not Ending.FAILED else ending
        course = course.after(step, lived=0.01, heard=False, due=False, pace=PACE)
        waited += course.pause(PACE, 0.0)
    assert requests < 110
