"""When what failed is tried again."""

from cluster.errors import Conflict, Forbidden, TooManyRequests
from cluster.objects import Key
from mirror.setbacks import Setbacks, after, holding, next_try

A, B = Key("test", "a"), Key("test", "b")
NO = Forbidden("no")


def failing(times: int) -> Setbacks:
    setbacks: Setbacks = {}
    for _ in range(times):
        setbacks = after(setbacks, (), {A: NO}, now=0.0, chance=0.999)
    return setbacks


def test_pauses_grow_up_to_half_a_minute() -> None:
    pauses = [failing(times)[A].until for times in range(1, 12)]
    assert pauses == sorted(pauses)
    assert pauses[0] < 0.2
    assert 29 < pauses[-1] <= 30


def test_what_succeeds_is_forgotten_and_the_rest_is_not() -> None:
    setbacks = after({}, (), {A: NO, B: NO}, now=0.0, chance=0.5)
    assert after(setbacks, [A], {}, now=0.0, chance=0.5).keys() == {B}


def test_a_server_that_asks_for_patience_gets_it() -> None:
    setbacks = after({}, (), {A: TooManyRequests("later", retry_after=7.0)}, now=1.0, chance=0.5)
    assert setbacks[A].until == 8.0


def test_only_what_is_not_due_is_held_back() -> None:
    setbacks = failing(1)
    until = setbacks[A].until
    assert holding(setbacks, until - 0.01) == {A}
    assert holding(setbacks, until) == frozenset()
    assert next_try(setbacks, 0.0) == until
    assert next_try(setbacks, until) is None


def test_a_conflict_is_told_only_if_it_lasts() -> None:
    setbacks: Setbacks = {}
    told = []
    for _ in range(5):
        setbacks = after(setbacks, (), {A: Conflict("changed")}, now=0.0, chance=0.5)
        told.append(setbacks[A].worth_telling)
    assert told == [False, False, False, True, True]
    assert failing(1)[A].worth_telling
