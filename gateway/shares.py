"""
How connections spread over the workers that share one listening socket.

The kernel wakes all of them, and the quickest takes nearly everything (358 of 400 connections, tried). So
each writes down how many it holds, in a page of memory that all of them see, and one that holds more than its
share leaves the listener to the others until it is level.

Each number has one writer, an aligned word; a reader that is late by one connection does no harm.
"""

import mmap
import os
from collections.abc import Iterable
from dataclasses import dataclass

_ABSENT = -1
"""The count of a worker that takes no connections: not yet, or no more."""


def holds_too_many(mine: int, counts: Iterable[int]) -> bool:
    """
    Whether a worker with *mine* connections leaves new ones to the others; *counts* are all who serve.

    The fewest of *counts* are never too many: somebody always takes what comes.
    """
    serving = list(counts)
    return mine > sum(serving) / len(serving) * 1.125 + 2 if serving else False


class Counts:
    """The page: a number for each worker."""

    def __init__(self, descriptor: int, workers: int) -> None:
        self.descriptor = descriptor
        """To be inherited by the workers."""
        self._workers = workers
        self._page = memoryview(mmap.mmap(descriptor, mmap.PAGESIZE)).cast("q")

    @classmethod
    def made_for(cls, workers: int) -> "Counts":
        """A new page, in memory that has no name; nobody serves yet."""
        if workers > mmap.PAGESIZE // 8:
            raise ValueError(f"{workers} workers are more than a page has room for")
        descriptor = os.memfd_create("jackstay-connections")
        os.ftruncate(descriptor, mmap.PAGESIZE)
        counts = cls(descriptor, workers)
        for number in range(workers):
            counts.forget(number)
        return counts

    def forget(self, worker: int) -> None:
        """It serves no more: nothing is left to it."""
        self._page[worker] = _ABSENT

    def set(self, worker: int, connections: int) -> None:
        self._page[worker] = connections

    def of(self, worker: int) -> int:
        return max(0, self._page[worker])

    @property
    def serving(self) -> list[int]:
        """The connections of each worker that serves."""
        return [count for count in self._page[: self._workers] if count != _ABSENT]


@dataclass(frozen=True, slots=True)
class Share:
    """One worker's part of what comes to the listener."""

    counts: Counts
    worker: int

    def holds(self, connections: int) -> None:
        self.counts.set(self.worker, connections)

    def withdraw(self) -> None:
        """We take no connections any more."""
        self.counts.forget(self.worker)

    @property
    def full(self) -> bool:
        """Whether we hold more than our share."""
        return holds_too_many(self.counts.of(self.worker), self.counts.serving)

    @property
    def total(self) -> int:
        """The connections of all workers."""
        return sum(self.counts.serving)
