"""
Requests while others knock: a storm of handshakes from a process of its own, and latencies from ours.
"""

import multiprocessing
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks.backend import receive_exactly
from benchmarks.payload import ECHO, MESSAGE, message
from benchmarks.site import Door, Leaf
from benchmarks.through_door import client_context, handshake

PAUSE = 0.002
"""Seconds between two requests: so few that they never wait for each other."""


Knocked = tuple[int, int, float]
"""Handshakes that went right, and wrong, and the seconds in which they did."""


def knock(door: Door, leaf: Leaf, anchors: Path, name: str, rate: float, seconds: float) -> Knocked:
    """*rate* new connections a second, as long as no more than 64 of them are under way."""
    context = client_context(door, leaf, anchors)
    count = int(rate * seconds)
    started = time.monotonic()

    def one(number: int) -> bool:
        time.sleep(max(0.0, started + number / rate - time.monotonic()))
        return handshake(door, context, name, number)

    with ThreadPoolExecutor(64) as threads:
        right = sum(threads.map(one, range(count)))
    return right, count - right, time.monotonic() - started


@contextmanager
def storm_maker() -> Iterator[ProcessPoolExecutor]:
    """A process that is ready to knock."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        pool.submit(int).result()  # it has started, and imported all it needs
        yield pool


def latencies(
    socks: Sequence[socket.socket], seconds: float, until: Future[Knocked] | None = None
) -> list[float]:
    """Seconds per request, for *seconds*, or until that is done. Raises OSError and EOFError."""
    found: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end and not (until is not None and until.done()):
        question = message(ECHO, len(found))
        sock = socks[len(found) % len(socks)]
        asked = time.monotonic()
        sock.sendall(question)
        assert receive_exactly(sock, MESSAGE) == question, "a wrong answer"
        found.append(time.monotonic() - asked)
        time.sleep(PAUSE)
    return found


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
