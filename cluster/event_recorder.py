"""
Telling a cluster what happened, beside the work: never waited for, never in its way.

    tell ──> pending ── written ──> known ── told again ──> pending
               │ full, or refused: dropped and counted        (not before PAUSE is over)

What happens again is one Event that counts up. Both tables are bounded; a server that is away is
tried again ever more seldom, while what is told meanwhile waits, counted together, or is dropped.
"""

import asyncio
import contextlib
import hashlib
import random
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, NoReturn

import structlog
from prometheus_client import CollectorRegistry, Counter

from cluster.client import Cluster
from cluster.errors import AlreadyExists, ClusterError, Forbidden, Invalid, NotFound
from cluster.event_objects import Event, Involved
from cluster.kinds import EVENT
from cluster.metadata import Metadata
from cluster.retelling import Retelling
from process.backoff import Backoff

log = structlog.get_logger()

PAUSE = 5.0
"""Seconds between two writes of the same Event."""

MOST_PENDING = 1000
MOST_KNOWN = 4096
_BACKOFF = Backoff(first=0.5, most=30.0)


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened, to be told of."""

    involved: Involved
    reason: str
    message: str
    warning: bool = False
    kind: str = ""
    """Those of the same object, reason and kind are one Event."""

    once: bool = False
    """
    Whether one Event is enough, however often and by whomever it is told: it has a name of its own by
    which a second one is found to be there already.
    """

    @property
    def key(self) -> "EventKey":
        return EventKey(self.involved, self.reason, self.kind)


class EventKey(NamedTuple):
    """What makes two happenings the same."""

    involved: Involved
    reason: str
    kind: str


@dataclass(slots=True)
class Series:
    """One Event as we keep it."""

    latest: Happening
    first: datetime
    last: datetime
    name: str = ""
    """"" until it has been created."""

    count: int = 1
    written: int = 0
    """How many of `count` the cluster knows of."""

    due: float = 0.0
    """Not to be written before, on the clock that does not go back."""


class EventMetrics:
    """What all recorders of a process count."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.written = Counter("jackstay_events_written", "Events created or counted up.", registry=registry)
        self.dropped = Counter(
            "jackstay_events_dropped",
            "Events that were not written: too many waited (full), or the API server refused them (refused).",
            ["reason"],
            registry=registry,
        )
        for reason in ("full", "refused"):
            self.dropped.labels(reason)


class EventRecorder:
    """Writes Events to *cluster* as *component* while `run` does."""

    def __init__(
        self,
        cluster: Cluster,
        component: str,
        metrics: EventMetrics,
        *,
        pause: float = PAUSE,
        most_pending: int = MOST_PENDING,
        most_known: int = MOST_KNOWN,
        backoff: Backoff = _BACKOFF,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._component = component
        self._pause = pause
        self._most_pending = most_pending
        self._most_known = most_known
        self._backoff = backoff
        self._now = now
        self._clock = clock
        self._pending: OrderedDict[EventKey, Series] = OrderedDict()
        self._known: OrderedDict[EventKey, Series] = OrderedDict()
        self._bell = asyncio.Event()
        self._retelling = Retelling(clock=clock)
        self._metrics = metrics

    def __repr__(self) -> str:
        return f"<EventRecorder {self._component}: {len(self._pending)} pending, {len(self._known)} known>"

    def tell(self, happening: Happening) -> None:
        """Take *happening* to be written in time. Never waits and never fails."""
        key, now = happening.key, self._now()
        series = self._pending.get(key) or self._known.get(key)
        if series is not None and happening.once:
            return
        if key not in self._pending:
            if len(self._pending) >= self._most_pending:
                self._metrics.dropped.labels("full").inc()
                return
            self._known.pop(key, None)
            self._pending[key] = series = series or Series(happening, now, now, count=0)
        assert series is not None
        series.count += 1
        series.latest, series.last = happening, now
        self._bell.set()

    async def run(self) -> NoReturn:
        """Until cancelled. No error of the cluster ends it."""
        attempt = 0
        while True:
            key = await self._next()
            try:
                await self._write(key, self._pending[key])
            except (Forbidden, Invalid, NotFound) as error:
                self._give_up(key, error)
            except ClusterError as error:
                if self._retelling.is_due(error.reason):
                    log.warning("events.waiting", because=str(error), pending=len(self._pending))
                pause = self._backoff.delay(attempt, random.random())
                attempt += 1
                self._pending[key].due = self._clock() + pause  # the others come first
                await asyncio.sleep(pause)
            else:
                attempt = 0
                self._retelling.over()

    async def _next(self) -> EventKey:
        """The Event that is due, or was first; waits until there is one."""
        while True:
            self._bell.clear()
            wait: float | None = None
            if self._pending:
                key = min(self._pending, key=lambda key: self._pending[key].due)
                wait = self._pending[key].due - self._clock()
                if wait <= 0:
                    return key
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._bell.wait()

    async def _write(self, key: EventKey, series: Series) -> None:
        """Let the cluster know of all that *series* counts now. Raises ClusterError."""
        count = series.count
        if series.name:
            try:
                patch = self._event(series).repetition()
                await self._cluster.patch(EVENT, _namespace(key), series.name, patch)
            except NotFound:  # the cluster forgets Events, after an hour as a rule
                series.count, series.first = count - series.written, series.last
                series.written, series.name = 0, ""
                count = series.count
        if not series.name:
            name = event_name(key, once=series.latest.once)
            try:
                await self._cluster.create(EVENT, self._event(series, name).to_dict())
            except AlreadyExists:
                if not series.latest.once:
                    raise
            series.name = name
        self._metrics.written.inc()
        series.written, series.due = count, self._clock() + self._pause
        if series.count == count:
            self._settle(key)

    def _settle(self, key: EventKey) -> None:
        self._known[key] = self._pending.pop(key)
        while len(self._known) > self._most_known:
            self._known.popitem(last=False)

    def _give_up(self, key: EventKey, error: ClusterError) -> None:
        """The cluster does not want it, and would not later."""
        del self._pending[key]
        self._metrics.dropped.labels("refused").inc()
        if self._retelling.is_due(error.reason):
            log.warning("event.refused", reason=key.reason, about=key.involved.name, because=str(error))

    def _event(self, series: Series, name: str = "") -> Event:
        happening = series.latest
        metadata = Metadata(name or series.name, _namespace(happening.key))
        return Event(
            metadata,
            happening.involved,
            happening.reason,
            happening.message,
            self._component,
            first=series.first,
            last=series.last,
            count=series.count,
            warning=happening.warning,
        )


def event_name(key: EventKey, *, once: bool) -> str:
    """A name for an Event: always the same one if there is to be one only."""
    if once:
        parts = (key.involved.kind, key.involved.uid, key.involved.name, key.reason, key.kind)
        suffix = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    else:
        suffix = secrets.token_hex(8)
    return f"{key.involved.name[:200].rstrip('.-')}.{suffix}"


def _namespace(key: EventKey) -> str:
    return key.involved.namespace or "default"
