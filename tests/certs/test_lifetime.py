from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certs.lifetime import in_words, parse


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("1m", timedelta(minutes=1)),
        ("24h", timedelta(days=1)),
        ("8760h", timedelta(days=365)),
        ("365d", timedelta(days=365)),
        ("10y", timedelta(days=3650)),
    ],
)
def test_a_number_and_its_unit_are_a_lifetime(text: str, span: timedelta) -> None:
    assert parse(text) == span


@pytest.mark.parametrize(
    "text", ["", "5", "h", "-1h", "1.5h", "1h30m", "1 h", "1H", "1w", "0h", "101y", "٣h", "1h\n"]
)
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"e\.g\. 24h|between"):
        parse(text)


@settings(deadline=None)
@given(st.text(max_size=20))
def test_any_text_is_a_lifetime_or_refused(text: str) -> None:
    try:
        span = parse(text)
    except ValueError:
        return
    assert timedelta(minutes=1) <= span <= timedelta(days=36500)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"),
        (61, "a minute"),
        (7200, "2 hours"),
        (86399, "23 hours"),
        (86400 * 364, "364 days"),
    ],
)
def test_a_span_is_said_in_one_unit(seconds: int, words: str) -> None:
    assert in_words(timedelta(seconds=seconds)) == words
