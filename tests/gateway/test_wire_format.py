"""Frames, their payloads and their order: tables, every cut, and whatever hypothesis thinks of."""

import contextlib
import itertools
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.frames import DATA_HEADER, MAX_PAYLOAD, Decoder, Frame, FrameType, put_header
from gateway.messages import (
    Opening,
    Refusal,
    goaway_frame,
    read_goaway,
    read_opening,
    read_refusal,
    read_reset,
    reset_frame,
)
from gateway.refusals import ProtocolViolation, Reason
from gateway.stream_order import Phase, Side, step

ID = "0123456789abcdef0123456789abcdef"
OPENING = Opening("podinfo.test.svc.cluster.local", 9898, ID, "east", {"ip": "10.0.0.1"})
FRAMES = [
    OPENING.encode(),
    Frame(FrameType.OPENED),
    Refusal(Reason.NOT_EXPORTED, "podinfo is not exported").encode(),
    Frame(FrameType.END),
    reset_frame(Reason.PEER_RESET),
    goaway_frame(7),
    Frame(FrameType.PING, b"12345678"),
    Frame(FrameType.PONG, b""),
]


def data(payload: bytes) -> bytes:
    frame = memoryview(bytearray(4) + payload)
    put_header(frame, 0, DATA_HEADER | len(payload))
    return bytes(frame)


def decoded(*pieces: bytes) -> list[Frame | bytes]:
    """All that comes out of *pieces*; neighbouring payload joined."""
    decoder, out = Decoder(), list[Frame | bytes]()
    for piece in pieces:
        for item in decoder.decode(memoryview(piece)):
            if isinstance(item, Frame):
                out.append(item)
            elif out and isinstance(out[-1], bytes):
                out[-1] += bytes(item)
            else:
                out.append(bytes(item))
    assert decoder.between_frames
    return out


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame.type.name)
def test_a_frame_comes_out_whole_however_it_is_cut(frame: Frame) -> None:
    wire = frame.encode()
    assert decoded(wire) == [frame]
    assert decoded(wire + wire) == [frame, frame]
    for cut in range(1, len(wire)):
        assert decoded(wire[:cut], wire[cut:]) == [frame]
    assert decoded(*(bytes([byte]) for byte in wire)) == [frame]


def test_data_is_handed_on_as_it_comes() -> None:
    wire = data(b"abcdef") + Frame(FrameType.END).encode()
    for cut in range(1, len(wire)):
        assert decoded(wire[:cut], wire[cut:]) == [b"abcdef", Frame(FrameType.END)]
    decoder = Decoder()
    assert [bytes(part) for part in decoder.decode(memoryview(wire[:7])) if not isinstance(part, Frame)] == [
        b"abc"
    ]
    assert not decoder.between_frames


@given(
    st.lists(st.one_of(st.sampled_from(FRAMES), st.binary(min_size=1, max_size=300)), max_size=12),
    st.lists(st.integers(0, 4000), max_size=20),
)
def test_whatever_goes_in_comes_out(items: list[Frame | bytes], cuts: list[int]) -> None:
    wire = b"".join(data(item) if isinstance(item, bytes) else item.encode() for item in items)
    edges = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    wanted: list[Frame | bytes] = []
    for item in items:
        if isinstance(item, bytes) and wanted and isinstance(wanted[-1], bytes):
            wanted[-1] += item
        else:
            wanted.append(item)
    assert decoded(*(wire[a:b] for a, b in itertools.pairwise(edges))) == wanted


@given(st.binary(max_size=200))
def test_garbage_is_a_violation_or_unfinished(garbage: bytes) -> None:
    decoder = Decoder()
    try:
        for item in decoder.decode(memoryview(garbage)):
            assert isinstance(item, Frame | memoryview)
    except ProtocolViolation:
        pass  # what is not a frame is refused


@pytest.mark.parametrize(
    "header",
    [
        b"\x00\0\0\0",
        b"\x0a\0\0\0",
        b"\xff\xff\xff\xff",
        b"\x04\0\0\0",
        b"\x04" + (MAX_PAYLOAD + 1).to_bytes(3, "big"),
        b"\x05\0\0\1",
        b"\x02\0\0\1",
        b"\x01\0\x10\1",
        b"\x07\0\0\7",
        b"\x08\0\0\x41",
    ],
    ids=lambda header: header.hex(),
)
def test_a_header_is_refused_as_soon_as_it_is_whole(header: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        list(Decoder().decode(memoryview(header)))


def test_the_largest_data_frame_is_taken() -> None:
    payload = bytes(MAX_PAYLOAD)
    assert decoded(data(payload)) == [payload]


# Payloads.


def opening(**changes: object) -> bytes:
    body: dict[str, object] = {"service": OPENING.service, "port": 9898, "id": ID} | changes
    return json.dumps({key: value for key, value in body.items() if value is not ...}).encode()


def test_an_opening_is_read_as_it_was_written() -> None:
    assert read_opening(OPENING.encode().payload) == OPENING


@pytest.mark.parametrize(
    "payload",
    [
        opening(),
        opening(service="PODINFO.test.svc.cluster.local"),
        opening(unknown={"of": "a later version"}),
        opening(source={"ip": "::1", "pod": "web-0", "unknown": "x"}),
        opening(port=1),
        opening(port=65535),
    ],
)
def test_good_openings(payload: bytes) -> None:
    assert read_opening(payload).service == OPENING.service


BAD_OPENINGS = {
    "no service": opening(service=...),
    "no port": opening(port=...),
    "no id": opening(id=...),
    "a port that is a bool": opening(port=True),
    "a port that is a text": opening(port="9898"),
    "a port that is a fraction": opening(port=9898.0),
    "port 0": opening(port=0),
    "port 65536": opening(port=65536),
    "a huge port": b'{"service":"a.b.svc","id":"%s","port":%s}' % (ID.encode(), b"9" * 400),
    "an address instead of a name": opening(service="10.0.0.1:80"),
    "one label": opening(service="podinfo"),
    "a name with a slash": opening(service="a.b/c"),
    "a name with a NUL": opening(service="a.b\0c"),
    "a name with a trailing dot": opening(service="a.b."),
    "a wildcard": opening(service="*.test.svc.cluster.local"),
    "a name that is too long": opening(service="a." * 127 + "abc"),
    "a name of other letters": opening(service="pödinfo.test.svc"),
    "a short id": opening(id="0123"),
    "an id in capitals": opening(id=ID.upper()),
    "a cluster that is no name": opening(cluster="east\n"),
    "a cluster that is a list": opening(cluster=["east"]),
    "a source that is a text": opening(source="web"),
    "a source with a number": opening(source={"ip": 1}),
    "a source with an object": opening(source={"ip": {}}),
    "a key twice": b'{"service":"a.b.svc","port":1,"port":2,"id":"%s"}' % ID.encode(),
    "NaN": b'{"service":"a.b.svc","port":NaN,"id":"%s"}' % ID.encode(),
    "Infinity": b'{"service":"a.b.svc","port":1,"x":Infinity,"id":"%s"}' % ID.encode(),
    "a lone surrogate": b'{"service":"a.b.svc","port":1,"id":"%s","x":"\\ud800"}' % ID.encode(),
    "too deep": opening(x={"y": {"z": 1}}),
    "much too deep": b'{"x":' + b"[" * 2000 + b"]" * 2000 + b"}",
    "a list": b"[]",
    "a number": b"11",
    "half": b'{"service":',
    "not UTF-8": b'{"service":"\xff"}',
}


@pytest.mark.parametrize("payload", BAD_OPENINGS.values(), ids=BAD_OPENINGS)
def test_bad_openings(payload: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        read_opening(payload)


@given(st.binary(max_size=300))
def test_an_opening_of_garbage_is_a_violation(garbage: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        read_opening(garbage)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_an_opening_of_any_json_is_an_opening_or_a_violation(value: object) -> None:
    for body in (value, {"service": value, "port": 1, "id": ID}, {"port": value}):
        with contextlib.suppress(ProtocolViolation):  # nothing else may come out
            assert isinstance(read_opening(json.dumps(body).encode()), Opening)


def test_refusals_and_resets() -> None:
    refusal = Refusal(Reason.DRAINING, "the gateway is about to end")
    assert read_refusal(refusal.encode().payload) == refusal
    assert read_reset(reset_frame(Reason.BACKEND_RESET).payload) is Reason.BACKEND_RESET
    assert read_reset(b'{"reason":"of a later version"}') is Reason.INTERNAL
    assert read_goaway(goaway_frame(2**40).payload) == 2**40
    assert len(Refusal(Reason.LIMIT, "x" * 5000).encode().payload) <= 4096
    for bad in (b"{}", b'{"reason":1}', b'{"reason":null}', b"null"):
        with pytest.raises(ProtocolViolation):
            read_reset(bad)


# Order. c is what the client sends, s what the server sends.

LETTERS: dict[str, tuple[Side, FrameType]] = {
    "o": ("client", FrameType.OPEN),
    "d": ("client", FrameType.DATA),
    "e": ("client", FrameType.END),
    "r": ("client", FrameType.RESET),
    "O": ("server", FrameType.OPENED),
    "X": ("server", FrameType.REFUSED),
    "D": ("server", FrameType.DATA),
    "E": ("server", FrameType.END),
    "R": ("server", FrameType.RESET),
}
CLIENT = re.compile(r"(od*[er])*(od*[er]?)?\Z")
SERVER = re.compile(r"(X|OD*[ER])*(OD*[ER]?)?\Z")


def accepted(word: str) -> bool:
    phase = Phase.IDLE
    for letter in word:
        try:
            phase = step(phase, *LETTERS[letter])
        except ProtocolViolation:
            return False
    return True


def in_order(word: str) -> bool:
    """By the grammar of the design: each side keeps its own, the server speaks only when asked."""
    client = "".join(letter for letter in word if letter.islower())
    server = "".join(letter for letter in word if letter.isupper())
    if not (CLIENT.match(client) and SERVER.match(server)):
        return False
    opens = answers = client_ends = server_ends = 0
    for letter in word:
        if letter == "o" and not opens == client_ends == server_ends:
            return False  # the last stream is not over
        opens += letter == "o"
        client_ends += letter in "er"
        answers += letter in "OX"
        server_ends += letter in "XER"
        if answers > opens:
            return False
    return True


@pytest.mark.parametrize("length", range(1, 7))
def test_the_table_is_the_grammar(length: int) -> None:
    for letters in itertools.product(LETTERS, repeat=length):
        word = "".join(letters)
        assert accepted(word) == in_order(word), word
