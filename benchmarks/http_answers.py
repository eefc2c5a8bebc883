"""The smallest HTTP/1.1 that `wrk` can measure with: each `GET` gets the same 128 bytes. No I/O."""

from benchmarks.payload import MESSAGE, pattern

HEAD_END = b"\r\n\r\n"
BODY = pattern(0, MESSAGE).hex()[:MESSAGE].encode()
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n" % len(BODY)
KEPT = _HEAD + b"\r\n" + BODY
LAST = _HEAD + b"Connection: close\r\n\r\n" + BODY


def answers(held: bytes) -> tuple[bytes, bytes, bool]:
    """What the whole requests in *held* get, what is left of it, and whether the connection stays open."""
    *requests, rest = held.split(HEAD_END)
    answer = b""
    for request in requests:
        if b"\nconnection: close" in request.lower():
            return answer + LAST, b"", False
        answer += KEPT
    return answer, rest, True
