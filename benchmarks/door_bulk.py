"""
GB straight to the gateway's end, by a client that brings its own TLS.

It is the same for all, frames around the payload or not, and looks at every byte of payload.
"""

import ssl
from collections.abc import Callable, Iterable

from benchmarks.load import Outcome, connect, in_parts
from benchmarks.payload import CHUNK, DOWNLOAD, UPLOAD, bulk_request, pattern
from benchmarks.samples import Meter, Sample, Sizes, sample
from benchmarks.site import Door, Site, Way
from benchmarks.through_door import client_context

AT_ONCE = 2
_RECORD = 16 * 1024  # the most that OpenSSL gives at once


class Stream:
    """What a backend and a client say to each other through a door, without what carries it."""

    def __init__(self, tls: ssl.SSLSocket, door: Door) -> None:
        self._tls, self._wrap, self._unwrap = tls, door.wrap, door.unwrap()
        self._buffer = memoryview(bytearray(_RECORD))
        tls.sendall(door.opening)

    def send(self, data: bytes) -> None:
        """At most CHUNK bytes. Raises OSError."""
        self._tls.sendall(self._wrap(data))

    def receive(self) -> Iterable[bytes]:
        """What has come; there may be more. Raises EOFError and OSError."""
        size = self._tls.recv_into(self._buffer)
        if not size:
            raise EOFError("the connection ended before the whole answer")
        return map(bytes, self._unwrap(self._buffer[:size]))


def download_through(door: Door, context: ssl.SSLContext, name: str, size: int, at_once: int) -> Outcome:
    """*size* bytes from the backend, over *at_once* connections. Counts bytes."""

    def one(stream: Stream, part: int) -> bool:
        stream.send(bulk_request(DOWNLOAD, part))
        position = 0
        while position < part:
            for data in stream.receive():
                if data != pattern(position, len(data)):
                    return False
                position += len(data)
        return position == part

    return _bulk(door, context, name, size, at_once, one)


def upload_through(door: Door, context: ssl.SSLContext, name: str, size: int, at_once: int) -> Outcome:
    """*size* bytes to the backend, over *at_once* connections. Counts bytes."""

    def one(stream: Stream, part: int) -> bool:
        stream.send(bulk_request(UPLOAD, part))
        for position in range(0, part, CHUNK):
            stream.send(pattern(position, min(CHUNK, part - position)))
        answer = b""
        while len(answer) < 8:
            answer += b"".join(stream.receive())
        return int.from_bytes(answer, "big") == part

    return _bulk(door, context, name, size, at_once, one)


def _bulk(
    door: Door,
    context: ssl.SSLContext,
    name: str,
    size: int,
    at_once: int,
    one: Callable[[Stream, int], bool],
) -> Outcome:
    def run(part: int) -> bool:
        with connect(door.place) as sock, context.wrap_socket(sock, server_hostname=name) as tls:
            right = one(Stream(tls, door), part)
            tls.sendall(door.last)
            return right

    return in_parts(size, at_once, run)


def door_download(way: Way, site: Site, sizes: Sizes) -> Sample:
    return _measured("door download", download_through, way, site, sizes)


def door_upload(way: Way, site: Site, sizes: Sizes) -> Sample:
    return _measured("door upload", upload_through, way, site, sizes)


def _measured(
    name: str,
    transfer: Callable[[Door, ssl.SSLContext, str, int, int], Outcome],
    way: Way,
    site: Site,
    sizes: Sizes,
) -> Sample:
    assert way.door is not None
    context = client_context(way.door, site.client, site.anchors)
    with Meter(way) as meter:
        outcome = transfer(way.door, context, site.gateway.identity, sizes.bulk, AT_ONCE)
    return sample(name, way, meter, outcome, unit=1e9)
