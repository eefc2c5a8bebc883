"""Values that change while the process runs: swapped whole, asked for anew each time."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Generic, Literal, TypeVar

import structlog

from gateway.files import InvalidFile
from gateway.metrics import DataPathMetrics
from process.files import changes

log = structlog.get_logger()

T = TypeVar("T")


class Current(Generic[T]):
    """The value that holds now. Call it to get it."""

    def __init__(self, value: T) -> None:
        self._value = value
        self.swapped: Callable[[], None] = lambda: None
        """Called after each swap."""

    def __call__(self) -> T:
        return self._value

    def swap(self, value: T) -> None:
        self._value = value
        self.swapped()


async def follow_file(
    path: Path,
    read: Callable[[str], T],
    taken: Callable[[T], Awaitable[None]],
    what: Literal["routes", "targets"],
    metrics: DataPathMetrics,
    *,
    every: float = 1.0,
) -> None:
    """
    Hand each new content of *path* to *taken*; what is broken is not taken. Until cancelled.

    *taken* gets what *path* says at the start too, without a word in the log: it may have changed
    since somebody read it last.
    """
    started = False
    async for _ in changes(path, every=every, at_once=True):
        try:
            value = read_file(path, read)
        except InvalidFile as error:
            metrics.reloaded(what, taken=False)
            log.error("file.kept", what=what, file=str(path), error=str(error))  # noqa: TRY400
        else:
            await taken(value)
            if started:
                metrics.reloaded(what, taken=True)
                log.info("file.loaded", what=what, file=str(path))
        started = True


def read_file(path: Path, read: Callable[[str], T]) -> T:
    """What *path* says. Raises InvalidFile, also for one that cannot be read."""
    try:
        return read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidFile(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InvalidFile(f"{path} is not text in UTF-8: byte {error.start + 1} cannot be read") from error
