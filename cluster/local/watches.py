"""
Watch streams: what happens to the objects of a kind, one JSON line an event, as it happens.

A stream has no queue. It knows the version up to which it has told everything, and each time something
changes it tells what the store has kept since; one that fell too far behind gets 410 and ends.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aiohttp import web

from cluster.kinds import Kind
from cluster.local.refusals import Expired
from cluster.local.store import Change, Store
from cluster.metadata import Key, Raw

Wanted = Callable[[Key, Raw], bool]

INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class Watch:
    """What one stream is about."""

    kind: Kind
    wanted: Wanted
    present: Callable[[Raw], Raw]
    """The form in which objects are shown: in the version asked for, or as a table."""

    bookmark: Callable[[Raw], Raw]
    """The object of a bookmark, from its metadata."""

    since: int | None
    """Tell what changed after this version; None: first tell what is there."""

    initial_events_end: bool
    """Whether the end of what is there is marked by a bookmark."""

    bookmarks: bool
    seconds: float


def event(change: Change, wanted: Wanted) -> tuple[str, Raw] | None:
    """What *change* is to somebody who only sees what is *wanted*; None if nothing."""
    before = change.before if change.before is not None and wanted(change.key, change.before) else None
    after = change.after if change.after is not None and wanted(change.key, change.after) else None
    if after is not None:
        return ("ADDED" if before is None else "MODIFIED"), after
    if before is None:
        return None
    # What left is shown as it last was, under the version at which it left.
    last = change.after or before
    return "DELETED", {**last, "metadata": {**last["metadata"], "resourceVersion": str(change.version)}}


class Streams:
    """All watches that are open on *store*."""

    def __init__(self, store: Store, *, bookmark_every: float) -> None:
        self._store = store
        self._bookmark_every = bookmark_every
        self._wakers: set[asyncio.Event] = set()
        self._closing = False
        self._forget = store.listen(self._wake)

    def close(self) -> None:
        """End every stream, soon and cleanly."""
        self._closing = True
        self._forget()
        self._wake()

    def _wake(self) -> None:
        for waker in self._wakers:
            waker.set()

    async def serve(self, request: web.Request, watch: Watch) -> web.StreamResponse:
        """Tell *watch* until its time is up, the client has gone, or it has fallen behind."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        waker = asyncio.Event()
        self._wakers.add(waker)
        try:
            await self._tell(response, watch, waker)
            await response.write_eof()
        except ConnectionError:
            pass  # the client has gone, which is how most watches end
        finally:
            self._wakers.discard(waker)
        return response

    async def _tell(self, response: web.StreamResponse, watch: Watch, waker: asyncio.Event) -> None:
        clock = asyncio.get_running_loop().time
        end = clock() + watch.seconds
        told = watch.since
        if told is None:
            told = self._store.version
            await response.write(b"".join(self._initial(watch)))
        next_bookmark = clock() + self._bookmark_every
        while not self._closing:
            waker.clear()
            lines, told, behind = self._news(watch, told)
            if behind:
                await response.write(b"".join(lines))
                return
            if watch.bookmarks and clock() >= min(next_bookmark, end):
                lines.append(_line("BOOKMARK", watch.bookmark({"resourceVersion": str(told)})))
                next_bookmark = clock() + self._bookmark_every
            if lines:
                await response.write(b"".join(lines))
            if clock() >= end:
                return
            try:
                async with asyncio.timeout_at(min(next_bookmark, end)):
                    await waker.wait()
            except TimeoutError:
                continue

    def _initial(self, watch: Watch) -> Iterator[bytes]:
        """What is there, and if asked for, that this was all."""
        objects = self._store.all(watch.kind)
        for key in sorted(objects):
            if watch.wanted(key, objects[key]):
                yield _line("ADDED", watch.present(objects[key]))
        if watch.initial_events_end:
            metadata: Raw = {"resourceVersion": str(self._store.version)}
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
            yield _line("BOOKMARK", watch.bookmark(metadata))

    def _news(self, watch: Watch, told: int) -> tuple[list[bytes], int, bool]:
        """The lines since *told*, up to which version they tell, and whether some are lost."""
        try:
            changes = self._store.since(watch.kind, told)
        except Expired as error:
            return [_line("ERROR", error.status)], told, True
        events = (event(change, watch.wanted) for change in changes)
        lines = [_line(found[0], watch.present(found[1])) for found in events if found is not None]
        return lines, self._store.version, False


def _line(kind: str, item: Raw) -> bytes:
    return json.dumps({"type": kind, "object": item}, separators=(",", ":")).encode() + b"\n"
