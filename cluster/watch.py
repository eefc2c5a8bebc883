"""
One kind of object of one cluster, followed for ever: list, then watch from the list's version, again
and again.

The library's own `Watch` asks anew without a pause when the body is empty, repeats a 410 with the same
version, and after a reconnect without a version never tells of what was deleted meanwhile. So the loop
is ours. What happens next is decided in `course`, what we then know in `snapshot`; here is only the I/O.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Generic, NoReturn, TypeVar

import structlog

from cluster.client import Cluster
from cluster.course import Course, Ending, Pace
from cluster.errors import (
    BrokenAnswer,
    ClusterError,
    Forbidden,
    Gone,
    TooManyRequests,
    Unreachable,
    from_status,
)
from cluster.events import BadEvent, Bookmark, Decoder, Failed, Told
from cluster.kinds import Kind
from cluster.metadata import Raw
from cluster.reading import Malformed
from cluster.retelling import Retelling
from cluster.snapshot import Disordered, Snapshot, after, listed

__all__ = ["Informer", "Pace"]

log = structlog.get_logger()

T = TypeVar("T")


class Informer(Generic[T]):
    """
    Keeps `snapshot` what *cluster* has of *kind*, read by *parse* (which raises Malformed).

    `changed` is called, without arguments, each time `snapshot` or `failure` has become another. Whoever
    tells of `failure` himself wants no more than debug lines of it: *tells* is False. *identified*: each
    snapshot says which cluster it is of, as far as we may ask.
    """

    def __init__(
        self,
        cluster: Cluster,
        kind: Kind,
        parse: Callable[[Raw], T],
        *,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        changed: Callable[[], None],
        pace: Pace = Pace(),  # noqa: B008 - frozen
        tells: bool = True,
        identified: bool = False,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.snapshot: Snapshot[T] | None = None
        """All there is, swapped whole; None until the first listing is complete."""

        self.failure: ClusterError | None = None
        """
        Why `snapshot` is not current now; None while it is, or nothing has been tried yet.

        The first error of its kind since then: the later ones name whatever was asked last.
        """

        self.nameless: Forbidden | None = None
        """Why an *identified* snapshot does not say which cluster it is of."""

        self._cluster = cluster
        self._kind = kind
        self._parse = parse
        self._namespace = namespace
        self._labels = label_selector
        self._fields = field_selector
        self._changed = changed
        self._pace = pace
        self._tells = tells
        self._identified = identified
        self._barred = False
        """Whether we may not watch. That we may list makes nothing current then, but for a moment."""

        self._clock = clock
        self._chance = chance
        self._heard = False
        self._bookmarked = False
        self._retelling = Retelling(clock=clock)
        self._asked_at = float("-inf")
        self._asked_for = float("-inf")
        self._watching: asyncio.Timeout | None = None

    def __repr__(self) -> str:
        known = "nothing yet" if self.snapshot is None else f"{len(self.snapshot.items)}"
        failing = f", failing: {self.failure}" if self.failure else ""
        return f"<Informer {self._cluster.access} {self._kind.plural}: {known}{failing}>"

    def list_since(self, moment: float) -> None:
        """
        See to a listing that is asked for at *moment*, which has come, or later; unless there was one.

        A running watch ends for it; a running listing does not, nor is a pause after a failure cut short.
        """
        self._asked_for = max(self._asked_for, moment)
        if self._watching is not None and self._is_asked_for and not self._watching.expired():
            self._watching.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> NoReturn:
        """List and watch until cancelled. No error of the cluster ends it."""
        course = Course()
        while True:
            began, self._heard, patience = self._clock(), False, 0.0
            failure: ClusterError | None = None
            listing = course.listing or self.snapshot is None or self._is_asked_for
            try:
                ending = await (self._list() if listing else self._watch())
            except Gone as error:
                ending = Ending.EXPIRED
                log.info("informer.expired", **self._names(), because=str(error))
                self._break(None)
            except ClusterError as error:
                ending = Ending.AWAY if isinstance(error, Unreachable) else Ending.FAILED
                failure = error
                self._barred = isinstance(error, Forbidden) and not listing
                if isinstance(error, TooManyRequests):
                    patience = error.retry_after
                self._break(error)
            course = course.after(
                ending,
                lived=self._clock() - began,
                heard=self._heard,
                due=self._until_due() <= 0,
                pace=self._pace,
            )
            pause = max(course.pause(self._pace, self._chance()), patience)
            if failure is not None:
                due = self._tells and self._retelling.is_due(failure.reason)
                say = log.warning if due else log.debug
                say("informer.failed", **self._names(), because=str(failure), pause=round(pause, 2))
            await asyncio.sleep(pause)

    async def _list(self) -> Ending:
        asked_at = self._asked_at = self._clock()
        cluster_uid = await self._uid() if self._identified else ""
        listing = await self._cluster.list(
            self._kind, namespace=self._namespace, label_selector=self._labels, field_selector=self._fields
        )
        try:
            snapshot = listed(
                listing.items,
                self._parse,
                version=listing.resource_version,
                at=asked_at,
                listing=self.snapshot.listing + 1 if self.snapshot else 1,
                cluster_uid=cluster_uid,
                source=self._cluster.access.fingerprint,
                known=self.snapshot.items if self.snapshot else None,
            )
        except Malformed as mistake:
            raise BrokenAnswer(f"{self._about()}: an object of the list: {mistake}") from mistake
        if not self._barred:
            self._answered()
        self._swap(snapshot)
        log.debug("informer.listed", **self._names(), objects=len(snapshot.items), version=snapshot.version)
        return Ending.LISTED

    async def _uid(self) -> str:
        try:
            uid = await self._cluster.uid()
        except Forbidden as error:
            if self.nameless is None:
                log.warning("cluster.nameless", **self._names(), because=str(error))
            self.nameless = error
            return ""
        self.nameless = None
        return uid

    async def _watch(self) -> Ending:
        try:
            async with asyncio.timeout(None) as self._watching:
                await self._watch_on()
        except TimeoutError:  # an inner one is no TimeoutError any more
            return Ending.RECALLED
        finally:
            self._watching = None
        return Ending.ENDED

    async def _watch_on(self) -> None:
        """Until the watch ends. Raises ClusterError when it does not end as it should."""
        assert self.snapshot is not None
        longest = self._pace.watch_shortest + self._chance() * (
            self._pace.watch_longest - self._pace.watch_shortest
        )
        seconds = max(1.0, min(longest, self._until_due()))
        async with self._cluster.watch(
            self._kind,
            resource_version=self.snapshot.version,
            seconds=seconds,
            silence=seconds + self._pace.overtime,
            namespace=self._namespace,
            label_selector=self._labels,
            field_selector=self._fields,
        ) as chunks:
            self._barred = False
            self._answered()
            await self._follow(chunks, seconds + self._pace.overtime)

    async def _follow(self, chunks: AsyncIterator[bytes], longest: float) -> None:
        """Take in a watch until it ends. Raises ClusterError when it does not end as it should."""
        decoder = Decoder()
        try:
            async with asyncio.timeout(longest) as whole:
                ends_at = whole.when()
                assert ends_at is not None
                async for chunk in chunks:
                    self._take(decoder, chunk)
                    if self._bookmarked:
                        whole.reschedule(min(ends_at, asyncio.get_running_loop().time() + self._pace.silence))
        except TimeoutError as error:
            raise Unreachable(f"{self._about()}: nothing was heard for too long") from error
        if decoder.inside:
            raise BrokenAnswer(f"{self._about()}: the watch was cut inside an event")

    def _take(self, decoder: Decoder, chunk: bytes) -> None:
        """The next snapshot, from all events that *chunk* completes, at once. Raises ClusterError."""
        told: list[Told] = []
        broken: ClusterError | None = None
        try:
            for event in decoder.feed(chunk):
                if isinstance(event, Failed):
                    broken = self._failed(event)
                    break
                told.append(event)
        except BadEvent as mistake:
            broken = BrokenAnswer(f"{self._about()}: {mistake}")
        if told:
            self._tell(told)
        if broken is not None:
            raise broken

    def _tell(self, told: list[Told]) -> None:
        assert self.snapshot is not None
        try:
            snapshot = after(self.snapshot, told, self._parse)
        except Malformed as mistake:
            raise BrokenAnswer(f"{self._about()}: {mistake}") from mistake
        except Disordered as mistake:
            raise Gone(f"{self._about()}: {mistake}") from mistake
        self._heard = True
        self._bookmarked = self._bookmarked or any(isinstance(event, Bookmark) for event in told)
        self._swap(snapshot)

    def _failed(self, event: Failed) -> ClusterError:
        sentence = f"{self._about()}: {event.code} {event.reason}: {event.message[:500]}"
        return from_status(event.code, sentence, reason=event.reason)

    def _swap(self, snapshot: Snapshot[T]) -> None:
        known = self.snapshot.unreadable if self.snapshot else {}
        for key, mistake in snapshot.unreadable.items():
            if known.get(key) != mistake:
                log.warning("informer.unreadable", **self._names(), object=str(key), because=mistake)
        self.snapshot = snapshot
        self._changed()

    def _answered(self) -> None:
        """The server speaks to us. That no event was missed shows only when one comes."""
        if self.failure is not None:
            say = log.info if self._tells else log.debug
            say("informer.recovered", **self._names())
            self.failure = None
            self._retelling.over()
            self._changed()

    def _break(self, failure: ClusterError | None) -> None:
        """From now on there is a gap, or may be."""
        if self.snapshot is not None:
            self.snapshot = replace(self.snapshot, unbroken=False)
        if type(failure) is not type(self.failure):
            self.failure = failure
        self._changed()

    @property
    def _is_asked_for(self) -> bool:
        """Whether somebody wants a later listing than the last that was begun."""
        return self._asked_at < self._asked_for

    def _until_due(self) -> float:
        """Seconds until everything is to be listed anew."""
        if self.snapshot is None:
            return 0.0
        return self.snapshot.listed_at + self._pace.relist - self._clock()

    def _about(self) -> str:
        where = f" in {self._namespace}" if self._namespace else ""
        return f"{self._cluster.access}: watch {self._kind.plural}{where}"

    def _names(self) -> dict[str, str]:
        return {"cluster": str(self._cluster.access), "kind": self._kind.plural}
