"""Linkerd's transport header: its bytes, every cut of them, and whatever is not one."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transport_header import (
    MAX_MESSAGE,
    PREFACE,
    BadHeader,
    Session,
    TransportHeader,
    decode,
    encode,
)

NAME = "podinfo.test.svc.cluster.local"
_PREFACE = "7472616e73706f72742e6c35642e696f2f76310d0a0d0a"
_NAMED = "08aa4d121e706f64696e666f2e746573742e7376632e636c75737465722e6c6f63616c"

VECTORS = [
    (f"{_PREFACE}0000000308ea19", TransportHeader(3306)),
    (f"{_PREFACE}000000020850", TransportHeader(80)),
    (f"{_PREFACE}00000023{_NAMED}", TransportHeader(9898, NAME)),
    (f"{_PREFACE}00000027{_NAMED}1a020a00", TransportHeader(9898, NAME, Session.HTTP1)),
    (f"{_PREFACE}00000027{_NAMED}1a021200", TransportHeader(9898, NAME, Session.HTTP2)),
]
LENGTHS = [30, 29, 62, 66, 66]
WIRE = bytes.fromhex(VECTORS[-1][0])


def framed(message: bytes) -> bytes:
    return PREFACE + len(message).to_bytes(4, "big") + message


def read(message: bytes) -> TransportHeader:
    """The header that *message* makes, all of which is taken."""
    found = decode(framed(message))
    assert found is not None
    assert found[1] == len(framed(message))
    return found[0]


@pytest.mark.parametrize(("vector", "length"), list(zip(VECTORS, LENGTHS, strict=True)))
def test_the_golden_vectors_both_ways(vector: tuple[str, TransportHeader], length: int) -> None:
    wire, header = bytes.fromhex(vector[0]), vector[1]
    assert len(wire) == length
    assert encode(header) == wire
    assert decode(wire) == (header, length)
    assert decode(wire + b"payload") == (header, length)
    assert decode(wire + wire) == (header, length)


@pytest.mark.parametrize("cut", range(len(WIRE)))
def test_a_part_of_a_header_asks_for_more(cut: int) -> None:
    assert decode(WIRE[:cut]) is None


@pytest.mark.parametrize("wrong", range(len(PREFACE)))
def test_a_wrong_byte_of_the_preface_is_noticed_when_it_comes(wrong: int) -> None:
    data = bytearray(PREFACE[: wrong + 1])
    data[wrong] ^= 1
    with pytest.raises(BadHeader, match="does not begin with"):
        decode(data)


def test_a_header_of_64_kib_is_taken_and_one_byte_more_is_not() -> None:
    # An unknown field fills what the port leaves: tag and length take five bytes.
    filler = MAX_MESSAGE - 2 - 5
    message = (
        b"\x08\x50" + b"\xfa\x01" + bytes((filler & 0x7F | 0x80, filler >> 7 & 0x7F | 0x80, filler >> 14))
    )
    message += bytes(filler)
    assert len(message) == MAX_MESSAGE
    assert read(message) == TransportHeader(80)
    with pytest.raises(BadHeader, match="over 65536"):
        decode(PREFACE + (MAX_MESSAGE + 1).to_bytes(4, "big"))


def test_a_length_is_refused_by_its_first_byte_if_that_is_enough() -> None:
    with pytest.raises(BadHeader, match="over 65536"):
        decode(PREFACE + b"\x01")
    assert decode(PREFACE + b"\x00\x01\x00") is None
    with pytest.raises(BadHeader, match="over 65536"):
        decode(PREFACE + b"\x00\x01\x01")


UNDERSTOOD = [
    ("a dot at the end", b"\x08\x50\x12\x05a.bc.", TransportHeader(80, "a.bc")),
    ("upper case", b"\x08\x50\x12\x04A.bC", TransportHeader(80, "a.bc")),
    ("an underscore", b"\x08\x50\x12\x04_a.b", TransportHeader(80, "_a.b")),
    ("digits, but not at the end", b"\x08\x50\x12\x05127.a", TransportHeader(80, "127.a")),
    ("an empty name", b"\x08\x50\x12\x00", TransportHeader(80)),
    ("an empty session", b"\x08\x50\x1a\x00", TransportHeader(80)),
    ("a session of a later version", b"\x08\x50\x1a\x02\x1a\x00", TransportHeader(80)),
    ("fields in another order", b"\x12\x01a\x08\x50", TransportHeader(80, "a")),
    ("a port twice: the last one", b"\x08\x50\x08\x51", TransportHeader(81)),
    ("a longer number than it needs", b"\x08\xd0\x80\x80\x00", TransportHeader(80)),
    ("an unknown number", b"\x20\x07\x08\x50", TransportHeader(80)),
    ("an unknown fixed64", b"\x21" + bytes(8) + b"\x08\x50", TransportHeader(80)),
    ("an unknown string", b"\x22\x02hi\x08\x50", TransportHeader(80)),
    ("an unknown fixed32", b"\x25" + bytes(4) + b"\x08\x50", TransportHeader(80)),
    ("a field of a high number", b"\xf8\xff\xff\xff\x0f\x07\x08\x50", TransportHeader(80)),
    ("http1, then http2", b"\x08\x50\x1a\x04\x0a\x00\x12\x00", TransportHeader(80, None, Session.HTTP2)),
    ("http2 and an empty one", b"\x08\x50\x1a\x02\x12\x00\x1a\x00", TransportHeader(80, None, Session.HTTP2)),
]


@pytest.mark.parametrize(
    ("message", "header"), [case[1:] for case in UNDERSTOOD], ids=[c[0] for c in UNDERSTOOD]
)
def test_what_is_understood(message: bytes, header: TransportHeader) -> None:
    assert read(message) == header


REFUSED = [
    ("nothing", b""),
    ("no port", b"\x12\x01a"),
    ("port 0", b"\x08\x00"),
    ("port 65536", b"\x08\x80\x80\x04"),
    ("a negative port", b"\x08" + b"\xff" * 9 + b"\x01"),
    ("port 80 and 2**32", b"\x08\xd0\x80\x80\x80\x10"),
    ("a port that is a string", b"\x0a\x0280"),
    ("a port of fixed length", b"\x0d\x50\0\0\0"),
    ("a name that is a number", b"\x08\x50\x10\x01"),
    ("a session that is a number", b"\x08\x50\x18\x01"),
    ("http1 that is a number", b"\x08\x50\x1a\x02\x08\x00"),
    ("an IPv4 address", b"\x08\x50\x12\x0810.0.0.1"),
    ("an IPv4 address with a dot at its end", b"\x08\x50\x12\x0910.0.0.1."),
    ("an IPv6 address", b"\x08\x50\x12\x03::1"),
    ("a number", b"\x08\x50\x12\x011"),
    ("a dot", b"\x08\x50\x12\x01."),
    ("two dots at the end", b"\x08\x50\x12\x03a.."),
    ("an empty label", b"\x08\x50\x12\x04a..b"),
    ("a hyphen first", b"\x08\x50\x12\x02-a"),
    ("a hyphen last", b"\x08\x50\x12\x02a-"),
    ("a wildcard", b"\x08\x50\x12\x03*.a"),
    ("a NUL", b"\x08\x50\x12\x03a\0b"),
    ("a line feed at the end", b"\x08\x50\x12\x02a\n"),
    ("not ASCII", b"\x08\x50\x12\x02\xc3\xa9"),
    ("a label of 64", b"\x08\x50\x12\x40" + b"a" * 64),
    ("a name of 255", b"\x08\x50\x12\xff\x01" + b"a." * 127 + b"a"),
    ("a field that does not end", b"\x08\x50\x12\x05a"),
    ("a fixed64 that does not end", b"\x08\x50\x21\0\0"),
    ("a number that does not end", b"\x08\x80"),
    ("a number of eleven bytes", b"\x08" + b"\x80" * 10 + b"\x01"),
    ("a number over 64 bits", b"\x20" + b"\xff" * 9 + b"\x02" + b"\x08\x50"),
    ("a tag alone", b"\x08\x50\x12"),
    ("a group", b"\x08\x50\x23\x24"),
    ("wire type 6", b"\x08\x50\x26"),
    ("field number 0", b"\x08\x50\x00\x00"),
    ("a field number over 29 bits", b"\x08\x50\x80\x80\x80\x80\x10\x00"),
]


@pytest.mark.parametrize("message", [case[1] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_is_refused(message: bytes) -> None:
    assert decode(framed(message)[:-1]) is None or not message
    with pytest.raises(BadHeader):
        decode(framed(message))


LABELS = st.from_regex(r"[a-z_]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
HEADERS = st.builds(
    TransportHeader,
    st.integers(1, 65535),
    st.none() | st.lists(LABELS, min_size=1, max_size=8).map(".".join),
    st.none() | st.sampled_from(Session),
)


@given(HEADERS, st.binary(max_size=40))
def test_what_was_written_is_read_whatever_follows(header: TransportHeader, payload: bytes) -> None:
    wire = encode(header)
    assert decode(wire + payload) == (header, len(wire))
    assert all(decode(wire[:cut]) is None for cut in range(len(wire)))


@given(st.binary(max_size=60))
def test_any_message_is_a_header_or_refused(message: bytes) -> None:
    try:
        found = decode(framed(message))
    except BadHeader:
        return
    assert found is not None
    assert 1 <= found[0].port <= 65535


BEGINNINGS = st.sampled_from((b"", PREFACE, PREFACE + bytes(3), PREFACE + b"\0\0\0\x04"))


@given(st.builds(bytes.__add__, BEGINNINGS, st.binary(max_size=40)))
def test_a_verdict_does_not_change_with_more_bytes(data: bytes) -> None:
    """Once it is refused, or read, it stays so."""
    verdicts = []
    for cut in range(len(data) + 1):
        try:
            verdicts.append(decode(data[:cut]))
        except BadHeader:
            verdicts.append((TransportHeader(1), -1))
    first = next((verdict for verdict in verdicts if verdict is not None), None)
    assert all(later == first for later in itertools.dropwhile(lambda verdict: verdict is None, verdicts))
