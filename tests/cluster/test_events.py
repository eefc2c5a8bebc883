import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster import events
from cluster.events import Applied, BadEvent, Bookmark, Decoder, Deleted, Event, Failed, decode
from tests.support.scripted_api import added, bookmark, deleted, failed, modified, service

SAID: list[tuple[dict[str, Any], Event]] = [
    (added(service("a", "6")), Applied(service("a", "6"), "6")),
    (modified(service("a", "7")), Applied(service("a", "7"), "7")),
    (deleted(service("ä", "8")), Deleted(service("ä", "8"), "8")),
    (bookmark("9"), Bookmark("9")),
    (failed(410, "Expired"), Failed(410, "Expired", "as the script has it")),
]
WIRE = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line, _ in SAID)
TOLD = [event for _, event in SAID]


def test_each_line_is_an_event() -> None:
    assert list(Decoder().feed(WIRE)) == TOLD


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_it_does_not_matter_where_the_bytes_are_cut(size: int) -> None:
    decoder = Decoder()
    told = [event for at in range(0, len(WIRE), size) for event in decoder.feed(WIRE[at : at + size])]
    assert told == TOLD
    assert not decoder.inside


@pytest.mark.parametrize("cut", range(len(WIRE)))
def test_a_stream_that_ends_inside_a_line_is_seen(cut: int) -> None:
    decoder = Decoder()
    told = list(decoder.feed(WIRE[:cut]))
    assert told == TOLD[: WIRE[:cut].count(b"\n")]
    assert decoder.inside == (cut > 0 and WIRE[cut - 1 : cut] != b"\n")


def test_empty_lines_say_nothing() -> None:
    assert list(Decoder().feed(b"\n\r\n \n")) == []


BAD = [
    b"{",
    b"[]",
    b"null",
    b"<html>",
    b"\xff\xff",
    b"{}",
    b'{"type": "ADDED"}',
    b'{"type": 7, "object": {}}',
    b'{"type": "ADDED", "object": []}',
    b'{"type": "ADDED", "object": {"metadata": {"name": "a"}}}',
    b'{"type": "ADDED", "object": {"metadata": {"resourceVersion": 7}}}',
    b'{"type": "BOOKMARK", "object": {}}',
    b'{"type": "MOVED", "object": {"metadata": {"resourceVersion": "7"}}}',
    b"[" * 100_000,
    b"1" * 10_000,
]


@pytest.mark.parametrize("line", BAD)
def test_what_is_no_event_is_refused_after_those_before_it(line: bytes) -> None:
    told = Decoder().feed(WIRE + line + b"\n" + WIRE)
    assert [next(told) for _ in TOLD] == TOLD
    with pytest.raises(BadEvent):
        next(told)


@given(st.binary(max_size=100))
def test_no_bytes_raise_anything_else(line: bytes) -> None:
    with pytest.raises(BadEvent):
        decode(line)


def test_a_line_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LONGEST_LINE", 100)
    decoder = Decoder()
    assert list(decoder.feed(b"x" * 100)) == []
    with pytest.raises(BadEvent, match="longer"):
        list(decoder.feed(b"x"))


def test_an_error_without_a_code_is_the_servers_fault() -> None:
    assert decode(b'{"type": "ERROR", "object": {}}') == Failed(500, "", "")
