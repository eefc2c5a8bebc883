"""
Whose handshake is computed next, and the threads that compute it.

A handshake costs a hundred times more than a chunk of data, and strangers decide how many there are.
So waiting is cheap and may be long, and only computing has slots. When more come than can be computed,
oldest first is the worst order: everybody waits until everybody has given up, and what is computed is
for nobody. Hence:

* second flights before ClientHellos, since work is lost with them, and they are fewer;
* oldest first while the oldest has waited less than HURRY; beyond that newest first, since the newest
  is the one who certainly still waits;
* who has waited PATIENCE is dropped, and counted.

`HandshakeOrder` is that rule and nothing else; `HandshakeThreads` is threads around it.
"""

import asyncio
import contextlib
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from gateway.refusals import Crowded

HURRY = 0.3
"""Seconds of waiting, of the oldest, after which the newest goes first."""

PATIENCE = 1.0
"""Seconds of waiting after which a handshake is dropped: clients give up then too."""

Item = TypeVar("Item", bound=Hashable)
Result = TypeVar("Result")


class HandshakeOrder(Generic[Item]):
    """Who waits, and who is next. Times only grow from call to call."""

    def __init__(self) -> None:
        self._begun: OrderedDict[Item, float] = OrderedDict()
        self._new: OrderedDict[Item, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._begun) + len(self._new)

    def add(self, item: Item, now: float, *, begun: bool) -> None:
        """*item* waits from *now* on; *begun* if work has been done for its handshake before."""
        (self._begun if begun else self._new)[item] = now

    def remove(self, item: Item) -> bool:
        """*item* does not want to wait any more; False if it is its turn already."""
        return any(waiting.pop(item, None) is not None for waiting in (self._begun, self._new))

    def expired(self, now: float) -> list[Item]:
        """Those who have waited for too long; they wait no more."""
        gone = []
        for waiting in (self._begun, self._new):
            while waiting and now - next(iter(waiting.values())) >= PATIENCE:
                gone.append(waiting.popitem(last=False)[0])
        return gone

    def take(self, now: float) -> Item | None:
        """Whose turn it is, of those who have not `expired`; None if nobody waits."""
        for waiting in (self._begun, self._new):
            if waiting:
                waited = now - next(iter(waiting.values()))
                return waiting.popitem(last=waited >= HURRY)[0]
        return None


class _Job:
    """One step of a handshake: what to do, and who waits for it. Compared by identity."""

    __slots__ = ("outcome", "over", "work")

    def __init__(self, work: Callable[[], Any], outcome: "asyncio.Future[Any]") -> None:
        self.work = work
        self.outcome = outcome
        self.over = False


class HandshakeThreads:
    """
    Threads that do the steps of handshakes, in the order above; a `with` block within one event loop.

    An executor would do, but for its costs: a handful of locks and two futures for each job, and a
    wake-up of the loop for each result. Here results that come close together wake the loop once.
    """

    def __init__(self, count: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """*count* steps at a time."""
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._order: HandshakeOrder[_Job] = HandshakeOrder()
        self._guard = threading.Lock()  # of the order, and of whether the loop is woken already
        self._calls: SimpleQueue[bool] = SimpleQueue()  # one for each job added; False ends a thread
        self._done: deque[tuple[_Job, Any, BaseException | None]] = deque()
        self._woken = False
        self._threads = [
            threading.Thread(target=self._work, name=f"handshake-{number}") for number in range(count)
        ]

    def __repr__(self) -> str:
        return f"<HandshakeThreads {len(self._threads)} waiting={len(self._order)}>"

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Steps that are being done come to their end; nobody may wait for others any more."""
        for _ in self._threads:
            self._calls.put(False)
        for thread in self._threads:
            thread.join()

    @property
    def waiting(self) -> int:
        """Steps whose turn has not come."""
        return len(self._order)

    async def run(self, work: Callable[[], Result], *, begun: bool) -> Result:
        """
        Do *work* in a thread when its turn comes. Raises Crowded if that takes too long.

        A caller who is cancelled meanwhile still waits for work that is being done: it owns what it
        touches.
        """
        job = _Job(work, self._loop.create_future())
        with self._guard:
            self._order.add(job, self._clock(), begun=begun)
        self._calls.put(True)
        try:
            result: Result = await job.outcome
        except asyncio.CancelledError:
            with self._guard:
                waiting = self._order.remove(job)
            if not waiting:
                await self._ended(job)
            raise
        finally:
            del job  # an error's traceback leads here, and from the job to the error: no circle
        return result

    async def _ended(self, job: _Job) -> None:
        """Return when *job*, whose own future is cancelled, is over; whatever else is cancelled meanwhile."""
        while not job.over:
            job.outcome = self._loop.create_future()
            with contextlib.suppress(Exception, asyncio.CancelledError):  # it interests nobody any more
                await job.outcome

    def _work(self) -> None:
        while self._calls.get():
            self._do_next()

    def _do_next(self) -> None:
        """Whose turn it is is decided when there is a thread for it, and not before."""
        with self._guard:
            now = self._clock()
            dropped = self._order.expired(now)
            job = self._order.take(now)
        for late in dropped:
            self._tell(late, None, Crowded(f"it has waited {PATIENCE:g} s for its turn"))
        if job is None:
            return  # cancelled, or dropped when it was another's turn
        try:
            result = job.work()
        except BaseException as error:  # noqa: BLE001 # it is raised where the job is waited for
            self._tell(job, None, error)
        else:
            self._tell(job, result, None)
        finally:
            del job  # as in `run`

    def _tell(self, job: _Job, result: Any, error: BaseException | None) -> None:
        self._done.append((job, result, error))
        with self._guard:
            wake, self._woken = not self._woken, True
        if wake:
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._guard:
            self._woken = False
        while self._done:
            job, result, error = self._done.popleft()
            job.over = True
            if job.outcome.done():
                continue  # cancelled, and its task has not run since; it will see that the job is over
            if error is not None:
                job.outcome.set_exception(error)
            else:
                job.outcome.set_result(result)
