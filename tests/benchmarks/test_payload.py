"""What is sent differs from message to message, and a pattern is the same wherever it is cut."""

from benchmarks.payload import CHUNK, ECHO, MESSAGE, ONCE, message, pattern


def test_every_message_is_another_one() -> None:
    sent = {message(kind, number) for kind in (ECHO, ONCE) for number in range(100)}
    assert len(sent) == 200
    assert {len(one) for one in sent} == {MESSAGE}


def test_a_pattern_is_the_same_in_one_piece_and_in_several() -> None:
    whole = pattern(1_000_000, CHUNK)
    assert len(whole) == CHUNK
    assert whole == pattern(1_000_000, 77) + pattern(1_000_077, CHUNK - 77)
