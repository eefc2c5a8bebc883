"""
Processes of ours, as they run in production: started from their command line, watched by their log.

    gateway = await processes.start("gateway", "--routes", ...)
    gateway.ready["listen"]
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE = 20.0
"""Seconds that a busy machine may take for what takes one as a rule."""


@dataclass(slots=True)
class Running:
    """One process, and what it has logged."""

    argv: list[str]
    log: Path
    process: asyncio.subprocess.Process
    ready: dict[str, Any] = field(default_factory=dict)

    def events(self, *names: str) -> list[dict[str, Any]]:
        """Its log lines so far; only those of *names* if any are given."""
        found = []
        for line in self.log.read_text().splitlines():
            if line.startswith("{"):
                event = json.loads(line)
                if not names or event["event"] in names:
                    found.append(event)
        return found

    async def logged(self, name: str, *, count: int = 1, **having: Any) -> list[dict[str, Any]]:
        """The events *name* whose keys have these values, once there are *count*."""

        def found() -> list[dict[str, Any]]:
            return [
                event
                for event in self.events(name)
                if all(event.get(key) == value for key, value in having.items())
            ]

        await until(lambda: len(found()) >= count, f"{count} times {name} {having} in:\n{self.tail()}")
        return found()

    def tail(self) -> str:
        return "\n".join(self.log.read_text().splitlines()[-15:])

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Its exit code, once it has ended."""
        async with asyncio.timeout(PATIENCE + 30):
            return await self.process.wait()


class Processes:
    """Starts processes; ends those that still run, each by its own id, when the block is left."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._running: list[Running] = []

    async def start(
        self, *arguments: str, ready: bool = True, environment: Mapping[str, str] | None = None
    ) -> Running:
        """`jackstay *arguments*`, once it has logged its `*.ready` line."""
        argv = [sys.executable, "-m", "cli", *arguments]
        log = self._directory / f"{len(self._running)}-{arguments[0]}.log"
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=stderr,
                env={**os.environ, **(environment or {})},
                cwd=Path(__file__).parents[2],
            )
        running = Running(argv, log, process)
        self._running.append(running)
        if ready:
            await until(
                lambda: process.returncode is not None or any(_is_ready(e) for e in running.events()),
                f"{arguments[0]} to be ready",
            )
            lines = [event for event in running.events() if _is_ready(event)]
            assert lines, f"{arguments[0]} has ended with {process.returncode}:\n{running.tail()}"
            running.ready = lines[0]
        return running

    async def end(self) -> None:
        for running in reversed(self._running):
            if running.process.returncode is None:
                running.process.kill()
            await running.process.wait()


def _is_ready(event: dict[str, Any]) -> bool:
    return str(event["event"]).endswith(".ready")


@asynccontextmanager
async def processes(directory: Path) -> AsyncIterator[Processes]:
    started = Processes(directory)
    try:
        yield started
    finally:
        await started.end()


async def until(condition: Any, what: str, patience: float = PATIENCE) -> None:
    """Return once *condition()* is true; fail, naming *what* was awaited, if it stays false."""
    try:
        async with asyncio.timeout(patience):
            while not condition():  # noqa: ASYNC110  # other processes set no Event of ours
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited {patience:g} s in vain for {what}") from None
