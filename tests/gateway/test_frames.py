"""The decoder at its bounds: every type's shortest and longest payload, and who owns what it hands on."""

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.frames import DATA_HEADER, HEADER, MAX_PAYLOAD, Decoder, Frame, FrameType, put_header
from gateway.refusals import ProtocolViolation

BOUNDS = {
    FrameType.OPEN: (2, 4096),
    FrameType.OPENED: (0, 0),
    FrameType.REFUSED: (2, 4096),
    FrameType.END: (0, 0),
    FrameType.RESET: (2, 4096),
    FrameType.GOAWAY: (8, 8),
    FrameType.PING: (0, 64),
    FrameType.PONG: (0, 64),
}
CONTROL = st.sampled_from(sorted(BOUNDS)).flatmap(
    lambda kind: st.binary(min_size=BOUNDS[kind][0], max_size=min(BOUNDS[kind][1], 80)).map(
        lambda payload: Frame(kind, payload)
    )
)
PAYLOAD = st.binary(min_size=1, max_size=200)


def header(kind: int, length: int) -> bytes:
    return bytes((kind,)) + length.to_bytes(3, "big")


def wire(item: Frame | bytes) -> bytes:
    return item.encode() if isinstance(item, Frame) else header(FrameType.DATA, len(item)) + item


def decode(decoder: Decoder, piece: bytes) -> list[Frame | bytes]:
    """What *piece* completes, payload as it was handed on."""
    return [item if isinstance(item, Frame) else bytes(item) for item in decoder.decode(memoryview(piece))]


def together(items: list[Frame | bytes]) -> list[Frame | bytes]:
    """*items* with neighbouring payload joined: where DATA frames end is nobody's business."""
    joined: list[Frame | bytes] = []
    for item in items:
        if isinstance(item, bytes) and joined and isinstance(joined[-1], bytes):
            joined[-1] += item
        else:
            joined.append(item)
    return joined


@pytest.mark.parametrize("kind", BOUNDS, ids=lambda kind: kind.name)
def test_the_shortest_and_the_longest_payload_of_each_type_come_through(kind: FrameType) -> None:
    for length in BOUNDS[kind]:
        frame = Frame(kind, b"x" * length)
        assert decode(Decoder(), frame.encode()) == [frame]


@pytest.mark.parametrize("kind", BOUNDS, ids=lambda kind: kind.name)
def test_one_byte_more_or_less_is_refused_by_the_header_alone(kind: FrameType) -> None:
    least, most = BOUNDS[kind]
    for length in {least - 1, most + 1, 2**24 - 1} - {-1}:
        with pytest.raises(ProtocolViolation, match=f"{kind.name} frame of {length} bytes"):
            decode(Decoder(), header(kind, length))


@pytest.mark.parametrize("length", [1, 2, 255, 256, 65535, 65536, MAX_PAYLOAD])
def test_data_of_these_lengths_comes_through(length: int) -> None:
    payload = b"x" * length
    assert decode(Decoder(), wire(payload)) == [payload]


@pytest.mark.parametrize("length", [0, MAX_PAYLOAD + 1, 2**24 - 1])
@pytest.mark.parametrize("following", [b"", b"x" * 20], ids=["alone", "with bytes after it"])
def test_data_of_these_lengths_is_refused(length: int, following: bytes) -> None:
    with pytest.raises(ProtocolViolation, match=f"DATA frame of {length} bytes"):
        decode(Decoder(), header(FrameType.DATA, length) + following)


@pytest.mark.parametrize("kind", [0, *range(10, 256)])
def test_unknown_types_are_refused_however_the_header_comes(kind: int) -> None:
    for length in (0, 1, 100):
        with pytest.raises(ProtocolViolation, match=f"unknown type {kind}"):
            decode(Decoder(), header(kind, length) + b"x" * 10)
    decoder = Decoder()
    assert [decode(decoder, bytes([byte])) for byte in header(kind, 1)[:3]] == [[], [], []]
    with pytest.raises(ProtocolViolation):
        decode(decoder, b"\1")


@given(st.integers(1, MAX_PAYLOAD))
def test_the_header_that_we_write_is_the_one_that_is_read(length: int) -> None:
    written = memoryview(bytearray(b"\xff" * (HEADER + 2)))
    put_header(written, 0, DATA_HEADER | length)
    assert bytes(written) == header(FrameType.DATA, length) + b"\xff\xff"


def test_payload_is_a_slice_of_the_buffer_that_it_came_in() -> None:
    buffer = bytearray(wire(b"abc") + wire(b"defg"))
    slices = [item for item in Decoder().decode(memoryview(buffer)) if isinstance(item, memoryview)]
    assert [bytes(part) for part in slices] == [b"abc", b"defg"]
    assert all(part.obj is buffer for part in slices)


def test_a_control_frame_outlives_the_buffer_that_it_came_in() -> None:
    buffer = bytearray(Frame(FrameType.PING, b"first").encode())
    (frame,) = Decoder().decode(memoryview(buffer))
    buffer[:] = bytes(len(buffer))
    assert frame == Frame(FrameType.PING, b"first")


def test_payload_is_never_empty_wherever_a_data_frame_is_cut() -> None:
    whole = wire(b"abc") + wire(b"d") + Frame(FrameType.END).encode() + wire(b"ef")
    for first, second in itertools.combinations(range(len(whole) + 1), 2):
        decoder = Decoder()
        items = [
            item
            for piece in (whole[:first], whole[first:second], whole[second:])
            for item in decode(decoder, piece)
        ]
        assert b"" not in items
        assert together(items) == [b"abcd", Frame(FrameType.END), b"ef"]
        assert decoder.between_frames


def test_a_tunnel_is_between_frames_only_when_nothing_is_missing() -> None:
    for item in (Frame(FrameType.PING, b"12345678"), Frame(FrameType.END), b"abc"):
        decoder, whole = Decoder(), wire(item)
        assert decoder.between_frames
        for position, byte in enumerate(whole, 1):
            decode(decoder, bytes([byte]))
            assert decoder.between_frames is (position == len(whole))


def test_an_unfinished_frame_holds_no_payload_of_data() -> None:
    decoder = Decoder()
    decode(decoder, header(FrameType.DATA, MAX_PAYLOAD) + b"x" * 1000)
    assert repr(decoder) == f"<Decoder data_left={MAX_PAYLOAD - 1000} held=0>"


@given(st.lists(CONTROL | PAYLOAD, max_size=15), st.data())
def test_what_goes_in_comes_out_in_pieces_of_any_size(
    items: list[Frame | bytes], data: st.DataObject
) -> None:
    whole = b"".join(map(wire, items))
    edges = sorted(data.draw(st.sets(st.integers(0, len(whole)), max_size=12)) | {0, len(whole)})
    decoder, came = Decoder(), list[Frame | bytes]()
    for start, end in itertools.pairwise(edges):
        came += decode(decoder, whole[start:end])
    assert together(came) == together(items)
    assert decoder.between_frames


def outcome(pieces: Iterable[bytes]) -> tuple[list[Frame | bytes], str]:
    """All that comes out, and the violation that ended it."""
    decoder, came = Decoder(), list[Frame | bytes]()
    try:
        for piece in pieces:
            for item in decoder.decode(memoryview(piece)):
                came.append(item if isinstance(item, Frame) else bytes(item))
    except ProtocolViolation as violation:
        return together(came), str(violation)
    return together(came), ""


@given(st.lists(CONTROL | PAYLOAD, max_size=5), st.binary(max_size=50), st.integers(1, 60))
def test_garbage_takes_nothing_from_the_good_frames_before_it(
    items: list[Frame | bytes], garbage: bytes, size: int
) -> None:
    whole = b"".join(map(wire, items)) + Frame(FrameType.END).encode() + garbage
    good = together([*items, Frame(FrameType.END)])
    came, _ = outcome(whole[start : start + size] for start in range(0, len(whole), size))
    assert came[: len(good)] == good


@given(st.binary(max_size=64))
def test_cutting_never_changes_what_garbage_means(garbage: bytes) -> None:
    assert outcome([garbage]) == outcome(bytes([byte]) for byte in garbage)
