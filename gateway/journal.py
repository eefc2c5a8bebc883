"""One result object for each connection: it writes one closing log line and counts once."""

import asyncio
from types import TracebackType

import structlog

from gateway.metrics import DataPathMetrics
from gateway.pump import Ending, Outcome, Pump
from gateway.refusals import Reason, Refused
from gateway.stream_metrics import Direction

log = structlog.get_logger()


class Entry:
    """What there will be to say about one stream."""

    __slots__ = (
        "_loop",
        "_sent_before",
        "_started",
        "backend",
        "id",
        "outcome",
        "peer",
        "port",
        "pump",
        "service",
        "source",
        "tries",
    )

    def __init__(self, *, id: str, service: str, port: int, peer: str, source: str) -> None:  # noqa: A002  # the key in the log
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._sent_before = 0
        self.id = id
        self.service = service
        self.port = port
        self.peer = peer
        """The verified identity at the tunnel's other end."""
        self.source = source
        """Where the stream comes from: the peer's address, or the application's."""
        self.backend = ""
        """Where it goes: an endpoint, or a gateway."""
        self.outcome: Outcome | None = None
        self.pump: Pump | None = None
        self.tries = 1

    def carried_by(self, pump: Pump) -> None:
        """A further try begins: *pump* says the same bytes again that earlier ones have said."""
        self._sent_before, _ = self.bytes
        self.pump = pump

    @property
    def bytes(self) -> tuple[int, int]:
        """
        (from the local side into the tunnel, from the tunnel to the local side).

        Each byte counts once, however often it was tried; neither number ever goes back.
        """
        if self.pump is None:
            return 0, 0
        return max(self._sent_before, self.pump.sent), self.pump.received

    def as_dict(self) -> dict[str, str | int | float]:
        """What `/connections` shows of a stream that runs."""
        sent, received = self.bytes
        return {
            "id": self.id,
            "service": f"{self.service}:{self.port}",
            "peer": self.peer,
            "source": self.source,
            "backend": self.backend,
            "sent": sent,
            "received": received,
            "seconds": round(self.seconds, 3),
        }

    @property
    def seconds(self) -> float:
        return self._loop.time() - self._started

    @property
    def seconds_to_ready(self) -> float | None:
        if self.pump is None or self.pump.answered_at is None:
            return None
        return self.pump.answered_at - self._started


class _Stream:
    """The block of one stream; a class of its own because a generator would cost twice as much."""

    __slots__ = ("_entry", "_journal")

    def __init__(self, journal: "Journal", entry: Entry) -> None:
        self._journal = journal
        self._entry = entry

    def __enter__(self) -> Entry:
        self._journal.begin(self._entry)
        return self._entry

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.end(self._entry, error)


class Journal:
    """Writes what happened to streams, and knows which run."""

    def __init__(self, direction: Direction, metrics: DataPathMetrics) -> None:
        self._direction = direction
        self._metrics = metrics
        self.running: set[Entry] = set()
        metrics.bytes.running = lambda: [self._src_dst(entry) for entry in self.running]

    def stream(self, entry: Entry) -> "_Stream":
        """
        The life of one stream. What it is refused with is taken down and goes on to the caller.
        """
        return _Stream(self, entry)

    def begin(self, entry: Entry) -> None:
        self.running.add(entry)
        self._metrics.stream_opened()

    def end(self, entry: Entry, error: BaseException | None) -> None:
        """*entry* is over, by *error* if it was refused or is cut."""
        if isinstance(error, Refused):
            entry.outcome = Outcome(Ending.REFUSED, error.reason, str(error))
        elif isinstance(error, asyncio.CancelledError):
            entry.outcome = Outcome(Ending.CUT, Reason.DRAINING, "the process is ending")
        self.running.discard(entry)
        self._close(entry)

    def _close(self, entry: Entry) -> None:
        outcome = entry.outcome or Outcome(Ending.CUT, Reason.INTERNAL, "a defect; see the traceback")
        self._metrics.bytes.ended(*self._src_dst(entry))
        self._metrics.stream_closed(str(outcome.reason or ""))
        if outcome.ending is Ending.REFUSED and outcome.reason is not None:
            self._metrics.refused(outcome.reason)
        if (seconds := entry.seconds_to_ready) is not None:
            self._metrics.stream_ready(seconds)
        sent, received = entry.bytes
        more = {"reason": str(outcome.reason), "message": outcome.message} if outcome.reason else {}
        if entry.tries > 1:
            more["tries"] = str(entry.tries)
        log.info(
            "connection.closed",
            direction=self._direction,
            id=entry.id,
            ending=outcome.ending.value,
            service=f"{entry.service}:{entry.port}",
            peer=entry.peer,
            source=entry.source,
            backend=entry.backend,
            sent=sent,
            received=received,
            seconds=round(entry.seconds, 6),
            **more,
        )

    def _src_dst(self, entry: Entry) -> tuple[int, int]:
        """Bytes from the side that was accepted, and from the side that we have opened."""
        local, tunnel = entry.bytes
        return (tunnel, local) if self._direction == "inbound" else (local, tunnel)
