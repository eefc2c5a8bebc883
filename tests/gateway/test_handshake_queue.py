"""Whose handshake is next: the order as a table, under overload, and the threads around it."""

import asyncio
import contextlib
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.handshake_queue import HURRY, PATIENCE, HandshakeOrder, HandshakeThreads
from gateway.refusals import Crowded, Reason

# The order.


@dataclass(frozen=True)
class Case:
    name: str
    waiting: tuple[tuple[str, float], ...]  # in upper case who has begun, each with its time
    now: float
    order: str
    expired: str = ""


CASES = [
    Case("nobody", (), 0.0, ""),
    Case("one", (("a", 0.0),), 0.1, "a"),
    Case("the oldest first", (("a", 0.0), ("b", 0.1), ("c", 0.2)), 0.29, "abc"),
    Case("second flights before ClientHellos", (("a", 0.0), ("b", 0.0), ("C", 0.1), ("D", 0.2)), 0.2, "CDab"),
    Case("the newest first, in a hurry", (("a", 0.0), ("b", 0.1), ("c", 0.2)), 0.3, "cba"),
    Case("no hurry any more once the old are gone", (("a", 0.0), ("b", 0.9), ("c", 1.0)), 1.0, "bc", "a"),
    Case("each kind has its own hurry", (("a", 0.0), ("b", 0.3), ("C", 0.2), ("D", 0.3)), 0.35, "CDba"),
    Case("who has waited a second is dropped", (("a", 0.0), ("B", 0.1), ("c", 0.2)), 1.1, "c", "Ba"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_order(case: Case) -> None:
    order: HandshakeOrder[str] = HandshakeOrder()
    for item, since in case.waiting:
        order.add(item, since, begun=item.isupper())
    assert "".join(order.expired(case.now)) == case.expired
    assert "".join(iter(lambda: order.take(case.now) or "", "")) == case.order
    assert len(order) == 0


def test_who_has_left_has_no_turn() -> None:
    order: HandshakeOrder[str] = HandshakeOrder()
    order.add("a", 0.0, begun=False)
    order.add("B", 0.0, begun=True)
    assert order.remove("a")
    assert not order.remove("a")
    assert order.take(0.0) == "B"
    assert not order.remove("B")
    assert order.take(0.0) is None


STEPS = st.lists(
    st.tuples(st.floats(0, 0.4), st.sampled_from(["new", "begun", "take", "leave"]), st.integers(0, 50)),
    max_size=60,
)


@given(STEPS)
def test_everybody_is_taken_dropped_or_leaves_once_and_in_time(steps: list[tuple[float, str, int]]) -> None:
    order: HandshakeOrder[int] = HandshakeOrder()
    since: dict[int, tuple[bool, float]] = {}
    now = 0.0
    for number, (pause, what, who) in enumerate(steps):
        now += pause
        match what:
            case "new" | "begun":
                order.add(number, now, begun=what == "begun")
                since[number] = (what == "begun", now)
            case "leave":
                assert order.remove(who) == (since.pop(who, None) is not None)
            case _:
                for gone in order.expired(now):
                    assert now - since.pop(gone)[1] >= PATIENCE
                kinds = {begun for begun, _ in since.values()}
                taken = order.take(now)
                assert (taken is None) == (not since)
                if taken is not None:
                    begun, at = since.pop(taken)
                    assert now - at < PATIENCE
                    assert begun == max(kinds)
                    others = [when for kind, when in since.values() if kind == begun]
                    oldest = min([at, *others])
                    assert at == (oldest if now - oldest < HURRY else max([at, *others]))
        assert len(order) == len(since)


# Under overload: clients that come evenly, two flights each, and give up a second after they came.


@dataclass
class OldestFirst:
    """What a plain executor does."""

    waiting: list[tuple[float, bool]] = field(default_factory=list)

    def add(self, item: tuple[float, bool], now: float, *, begun: bool) -> None:
        self.waiting.append(item)

    def expired(self, now: float) -> list[tuple[float, bool]]:
        return []

    def take(self, now: float) -> tuple[float, bool] | None:
        return self.waiting.pop(0) if self.waiting else None


def answered(order: HandshakeOrder[tuple[float, bool]] | OldestFirst, *, load: float) -> float:
    """
    The part of the clients, of 30 s at *load* times the capacity, that is answered within a second.

    A flight takes a millisecond, and its client is back with the second one 2 ms after it.
    """
    flight, there_and_back, patience = 0.001, 0.002, 1.0
    every = 2 * flight / load
    arrivals = [number * every for number in range(int(30 / every))]
    coming, back = arrivals[::-1], [(0.0, 0.0)][:0]  # back: (when, when its client came)
    now, in_time = 0.0, 0
    while coming or back:
        while coming and coming[-1] <= now:
            came = coming.pop()
            order.add((came, False), came, begun=False)
        while back and back[0][0] <= now:
            when, came = back.pop(0)
            order.add((came, True), when, begun=True)
        order.expired(now)
        if (job := order.take(now)) is None:
            now = min([*coming[-1:], *(when for when, _ in back[:1])])
            continue
        now += flight
        came, second = job
        if now - came > patience:
            continue  # computed for nobody
        if second:
            in_time += 1
        else:
            back.append((now + there_and_back, came))
    return in_time / len(arrivals)


def test_below_the_capacity_everybody_is_answered() -> None:
    assert answered(HandshakeOrder(), load=0.9) == 1.0
    assert answered(OldestFirst(), load=0.9) == 1.0


def test_at_twice_the_capacity_most_that_can_be_answered_are() -> None:
    """Half of them can be."""
    assert answered(HandshakeOrder(), load=2.0) > 0.45
    assert answered(OldestFirst(), load=2.0) < 0.06


# The threads.


async def test_results_and_errors_come_back() -> None:
    def fail() -> None:
        raise ValueError("so it is")

    with HandshakeThreads(2) as threads:
        assert await asyncio.gather(*(threads.run(_says(n), begun=False) for n in range(100))) == [
            *range(100)
        ]
        with pytest.raises(ValueError, match="so it is"):
            await threads.run(fail, begun=True)


@asynccontextmanager
async def occupied(threads: HandshakeThreads, tasks: asyncio.TaskGroup) -> AsyncIterator[asyncio.Task[None]]:
    """The only thread is busy within the block; for whom, is what the block gets."""
    loop, begun, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def hold() -> None:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(10)

    caller = tasks.create_task(threads.run(hold, begun=True))
    try:
        await begun.wait()
        yield caller
    finally:
        go_on.set()


async def test_an_error_leaves_no_circle_behind() -> None:
    """What a failed handshake held is gone at once, and not when the garbage collector comes by."""

    class Engine:
        def fail(self) -> None:
            raise ValueError("so it is")

    gc.disable()
    try:
        with HandshakeThreads(1) as threads:
            engine = Engine()
            known = weakref.ref(engine)
            with contextlib.suppress(ValueError):
                await threads.run(engine.fail, begun=False)
            del engine
            await asyncio.sleep(0)
        assert known() is None
    finally:
        gc.enable()


async def until_waiting(threads: HandshakeThreads, count: int) -> None:
    while threads.waiting != count:  # noqa: ASYNC110  # only the loop's own turns are waited for
        await asyncio.sleep(0)


async def test_second_flights_overtake_those_that_wait_for_the_first() -> None:
    done: list[str] = []
    with HandshakeThreads(1) as threads:
        async with asyncio.TaskGroup() as tasks, occupied(threads, tasks):
            for name in ("a", "b", "C", "D"):
                tasks.create_task(threads.run(partial(done.append, name), begun=name.isupper()))
            await until_waiting(threads, 4)
    assert done == ["C", "D", "a", "b"]


async def test_who_is_cancelled_while_waiting_is_never_computed() -> None:
    done: list[str] = []
    with HandshakeThreads(1) as threads:
        async with asyncio.TaskGroup() as tasks, occupied(threads, tasks):
            waiting = tasks.create_task(threads.run(partial(done.append, "a"), begun=False))
            await until_waiting(threads, 1)
            waiting.cancel()
            await asyncio.wait([waiting])
            assert threads.waiting == 0
    assert done == []


async def test_who_is_cancelled_while_being_computed_waits_for_it() -> None:
    """Also when cancelled again: what the job touches belongs to it."""
    with HandshakeThreads(1) as threads:
        async with asyncio.TaskGroup() as tasks:
            async with occupied(threads, tasks) as caller:
                for _ in range(3):
                    caller.cancel()
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                    assert not caller.done()
            await asyncio.wait([caller])
            assert caller.cancelled()


async def test_who_has_waited_too_long_is_refused() -> None:
    now = 0.0
    with HandshakeThreads(1, clock=lambda: now) as threads:
        async with asyncio.TaskGroup() as tasks:
            async with occupied(threads, tasks):
                late = tasks.create_task(_refusal(threads))
                await until_waiting(threads, 1)
                now += PATIENCE
            refusal = await late
    assert isinstance(refusal, Crowded)
    assert refusal.reason is Reason.LIMIT


async def _refusal(threads: HandshakeThreads) -> BaseException | None:
    try:
        await threads.run(lambda: None, begun=False)
    except Crowded as refusal:
        return refusal
    return None


def _says(number: int) -> Callable[[], int]:
    return lambda: number
