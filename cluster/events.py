"""
What a watch says: one JSON object a line, `{"type": ..., "object": ...}`, cut anywhere on the way.

Bytes go in, events come out. Nothing here does I/O.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from cluster.metadata import Raw
from cluster.reading import Fields, Malformed

LONGEST_LINE = 16 << 20
"""An object is at most 3 MiB over there; what is much longer is no object."""


class BadEvent(Exception):
    """The stream says something that is no event. It is not resynchronised: reconnect."""

    reason = "bad_event"


@dataclass(frozen=True, slots=True)
class Applied:
    """This is how an object is now, whether added or modified."""

    raw: Raw
    version: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """An object is gone, or no longer among those selected; as it was last."""

    raw: Raw
    version: str


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Nothing happened up to this version."""

    version: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The server ends the watch, and says why."""

    code: int
    reason: str
    message: str


Told = Applied | Deleted | Bookmark
Event = Told | Failed


def decode(line: bytes) -> Event:
    """The event in one *line*. Raises BadEvent."""
    try:
        fields = Fields.of(json.loads(line))
        kind, what = fields.required("type"), fields.below("object")
        if kind == "ERROR":
            return Failed(what.number("code", 500), what.text("reason"), what.text("message"))
        version = what.below("metadata").required("resourceVersion")
    except (ValueError, RecursionError, Malformed) as error:
        raise BadEvent(f"a line of the watch is no event: {error}") from error
    match kind:
        case "ADDED" | "MODIFIED":
            return Applied(dict(what.raw), version)
        case "DELETED":
            return Deleted(dict(what.raw), version)
        case "BOOKMARK":
            return Bookmark(version)
        case _:
            raise BadEvent(f"the watch knows no event {kind[:32]!r}")


class Decoder:
    """Collects the bytes of one watch until lines are whole."""

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def inside(self) -> bool:
        """Whether a line has begun and not ended; a stream that ends there was cut."""
        return bool(self._rest)

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that *data* completes, one by one. Raises BadEvent after those before it."""
        if b"\n" not in data:
            self._rest += data
            lines = []
        else:
            whole, _, rest = data.rpartition(b"\n")
            lines = (bytes(self._rest) + whole).split(b"\n")
            self._rest = bytearray(rest)
        for line in lines:
            if line.strip():
                yield decode(line)
        if len(self._rest) > LONGEST_LINE:
            raise BadEvent(f"a line of the watch is longer than {LONGEST_LINE} bytes")
