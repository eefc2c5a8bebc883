from cluster.retelling import EVERY, Retelling


def test_the_same_is_told_once_and_then_now_and_again() -> None:
    now = 0.0
    retelling = Retelling(clock=lambda: now)
    assert [retelling.is_due(trouble) for trouble in ("a", "a", "b", "b", "a")] == [
        True,
        False,
        True,
        False,
        True,
    ]
    now = EVERY - 1
    assert not retelling.is_due("a")
    now = EVERY
    assert retelling.is_due("a")
    assert not retelling.is_due("a")
    assert retelling.over()
    assert not retelling.over()  # nothing has been told since
    assert retelling.is_due("a")
