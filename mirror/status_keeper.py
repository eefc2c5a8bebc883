"""Keeps what a Link's status says true: written when it would say something else, with a pause after each."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NoReturn

import structlog

from cluster.errors import ClusterError
from cluster.event_recorder import Happening
from mirror import happenings, setbacks
from mirror.link_object import LinkObject
from mirror.status import Report

log = structlog.get_logger()


class StatusKeeper:
    """
    Writes to *link* what *report* knows of it, while `run` does and *may_write* says yes.

    *pause* are the seconds between two writes; *chance* draws from [0, 1).
    """

    def __init__(
        self,
        link: LinkObject,
        report: Callable[[], Report],
        *,
        may_write: Callable[[], bool],
        tell: Callable[[Happening], None],
        pause: float,
        chance: Callable[[], float],
    ) -> None:
        self._link = link
        self._report = report
        self._may_write = may_write
        self._tell = tell
        self._pause = pause
        self._chance = chance
        self._news = asyncio.Event()
        self._failures = 0

    def __repr__(self) -> str:
        return f"<StatusKeeper of {self._link!r}>"

    def ring(self) -> None:
        """There may be something new to say."""
        self._news.set()

    async def run(self) -> NoReturn:
        """Until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            report = self._report()
            if self._may_write() and not self._link.leaving:
                await asyncio.sleep(await self._write(report))

    async def _write(self, report: Report) -> float:
        """Have the status say *report*; the seconds until it may be written again."""
        try:
            reported = await self._link.report(report, datetime.now(UTC))
        except ClusterError as error:
            log.warning("status.failed", link=self._link.now.metadata.name, because=str(error))
            self._news.set()
            pause = max(self._pause, setbacks.PAUSES.delay(self._failures, self._chance()))
            self._failures += 1
            return pause
        self._failures = 0
        if reported is None:
            return 0.0
        metadata = self._link.now.metadata
        for happening in happenings.transitions(metadata, reported.before, reported.after):
            self._tell(happening)
        return self._pause
