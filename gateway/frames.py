"""
The frames of `jackstay/1`: what a tunnel's bytes mean.

    type: u8 | length of the payload: u24, big-endian | payload

    1 OPEN     client -> server   JSON object, at most 4 KiB: start a stream
    2 OPENED   server -> client   nothing: a backend is connected
    3 REFUSED  server -> client   JSON {"reason", "message"}: no stream, no byte reached a backend
    4 DATA     both               1 byte or more
    5 END      both               nothing: this direction has ended, the other may go on
    6 RESET    both               JSON {"reason"}: this stream is broken
    7 GOAWAY   server -> client   u64: how many OPENs of this tunnel were taken
    8 PING     client -> server   at most 64 opaque bytes
    9 PONG     server -> client   the same bytes

Nothing here does I/O. Plaintext comes in, in pieces of any size; frames come out. A DATA frame is
never collected: its payload is handed on as slices of the buffer it came in, and counted down.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from gateway.refusals import ProtocolViolation

ALPN = "jackstay/1"
HEADER = 4
MAX_PAYLOAD = 256 * 1024
"""What a receiver accepts in one frame."""


class FrameType(IntEnum):
    OPEN = 1
    OPENED = 2
    REFUSED = 3
    DATA = 4
    END = 5
    RESET = 6
    GOAWAY = 7
    PING = 8
    PONG = 9


# What a payload may measure, (least, most), by type.
_BOUNDS: dict[int, tuple[int, int]] = {
    FrameType.OPEN: (2, 4096),
    FrameType.OPENED: (0, 0),
    FrameType.REFUSED: (2, 4096),
    FrameType.DATA: (1, MAX_PAYLOAD),
    FrameType.END: (0, 0),
    FrameType.RESET: (2, 4096),
    FrameType.GOAWAY: (8, 8),
    FrameType.PING: (0, 64),
    FrameType.PONG: (0, 64),
}
_DATA = FrameType.DATA.value
_TYPES = {kind.value: kind for kind in FrameType}  # `FrameType(kind)` is several calls
_HEADER = struct.Struct(">I")  # type and length are read and written as one number
DATA_HEADER = _DATA << 24


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame other than DATA, whole."""

    type: FrameType
    payload: bytes = b""

    def encode(self) -> bytes:
        """Its bytes on the wire."""
        return _HEADER.pack(self.type << 24 | len(self.payload)) + self.payload


put_header = _HEADER.pack_into
"""Write a header into a buffer, at an offset: for DATA of so many bytes it is `DATA_HEADER` | bytes."""


class Decoder:
    """Plaintext in, frames out. Holds at most an unfinished header or an unfinished control frame."""

    __slots__ = ("_data_left", "_held")

    def __init__(self) -> None:
        self._data_left = 0  # bytes of the current DATA frame that are still to come
        self._held = b""  # the beginning of a header, or of a frame other than DATA

    def __repr__(self) -> str:
        return f"<Decoder data_left={self._data_left} held={len(self._held)}>"

    @property
    def between_frames(self) -> bool:
        """Whether everything that came in has come out."""
        return not self._data_left and not self._held

    def is_one_data_frame(self, plaintext: memoryview) -> bool:
        """Whether *plaintext*, which is not empty, is a DATA frame from its first byte to its last."""
        size = len(plaintext) - HEADER
        return (
            0 < size <= MAX_PAYLOAD
            and _HEADER.unpack_from(plaintext)[0] == DATA_HEADER | size
            and not self._data_left
            and not self._held
        )

    def decode(self, plaintext: memoryview) -> Iterator[Frame | memoryview]:
        """
        The frames that *plaintext* completes; payload of DATA frames as slices of it, never empty.

        Raises ProtocolViolation as soon as a header cannot be the beginning of a valid frame. The
        slices belong to the buffer behind *plaintext*: take what they hold before asking for more.
        """
        offset, size = 0, len(plaintext)
        while offset < size:
            between = not self._data_left and not self._held
            if between and plaintext[offset] == _DATA and size - offset > HEADER:
                # By far the most frequent header, and whole as a rule.
                self._data_left = int.from_bytes(plaintext[offset + 1 : offset + HEADER], "big")
                _check(_DATA, self._data_left)
                offset += HEADER
            if self._data_left:
                end = min(size, offset + self._data_left)
                self._data_left -= end - offset
                yield plaintext[offset:end]
                offset = end
                continue
            if between and (frame := _whole(plaintext, offset)) is not None:
                offset += HEADER + len(frame.payload)
                yield frame
                continue
            offset, frame = self._control(plaintext, offset)
            if frame is not None:
                yield frame

    def _control(self, plaintext: memoryview, offset: int) -> tuple[int, Frame | None]:
        """Go on from *offset* to the end of a header or frame; a DATA header only sets the count."""
        held, size = self._held, len(plaintext)
        while True:
            need = HEADER if len(held) < HEADER else HEADER + int.from_bytes(held[1:HEADER], "big")
            taken = min(need - len(held), size - offset)
            held += plaintext[offset : offset + taken]
            offset += taken
            if len(held) < need:
                self._held = held
                return offset, None
            if need == HEADER and len(held) == HEADER:
                kind, length = held[0], int.from_bytes(held[1:], "big")
                _check(kind, length)
                if kind == _DATA:
                    self._held, self._data_left = b"", length
                    return offset, None
                if length:
                    continue
            self._held = b""
            return offset, Frame(FrameType(held[0]), held[HEADER:])


def _whole(plaintext: memoryview, offset: int) -> Frame | None:
    """The frame at *offset* if all of it is there and it is not DATA."""
    if len(plaintext) - offset < HEADER:
        return None
    header = _HEADER.unpack_from(plaintext, offset)[0]
    kind, length = header >> 24, header & 0xFF_FFFF
    _check(kind, length)
    start = offset + HEADER
    if kind == _DATA or len(plaintext) - start < length:
        return None
    return Frame(_TYPES[kind], bytes(plaintext[start : start + length]))


def _check(kind: int, length: int) -> None:
    bounds = _BOUNDS.get(kind)
    if bounds is None:
        raise ProtocolViolation(f"a frame of unknown type {kind}")
    if not bounds[0] <= length <= bounds[1]:
        raise ProtocolViolation(f"a {FrameType(kind).name} frame of {length} bytes")
