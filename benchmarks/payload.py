"""
What the load makers send and what the backend answers: all of it can be checked to the byte.

The first byte of a connection says what it is for; it belongs to what is carried, so that a proxy
needs one listener only.

    e   echo: every message comes back
    o   once: one message comes back, then the backend closes (as HTTP's `Connection: close`)
    d   download: u64 count follows; so many bytes of the pattern come, then the end
    u   upload: u64 count follows, and so many bytes of the pattern; u64 count comes back, or 0
        if one byte was wrong
    G   HTTP: each `GET` is answered with 128 bytes; after `Connection: close` the backend closes
"""

import random

ECHO, ONCE, DOWNLOAD, UPLOAD, HTTP = b"e", b"o", b"d", b"u", b"G"
MESSAGE = 128
"""Bytes of a small request, and of its answer."""

CHUNK = 256 * 1024
"""The most that is sent, or compared, at once."""

_PERIOD = 1024 * 1024
_PATTERN = (block := random.Random(4143).randbytes(_PERIOD)) + block[:CHUNK]
_FILLER = _PATTERN[: MESSAGE - 9]


def message(kind: bytes, number: int) -> bytes:
    """A message of its own for each *number*."""
    return kind + number.to_bytes(8, "big") + _FILLER


def bulk_request(kind: bytes, count: int) -> bytes:
    """What begins a download or an upload of *count* bytes."""
    return kind + count.to_bytes(8, "big")


def pattern(position: int, size: int) -> bytes:
    """The *size* bytes, at most CHUNK, that stand at *position* of every bulk transfer."""
    start = position % _PERIOD
    return _PATTERN[start : start + size]
