"""Tasks that run for as long as something says they should, one for each key."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Mapping
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

Work = Callable[[], Coroutine[Any, Any, None]]


class Crew(Generic[K]):
    """The tasks live in *tasks*, a group that is the caller's, and never longer than it."""

    def __init__(self, tasks: asyncio.TaskGroup, name: str) -> None:
        self._tasks = tasks
        self._name = name
        self._running: dict[K, asyncio.Task[None]] = {}

    def __repr__(self) -> str:
        return f"<Crew {self._name}: {len(self._running)}>"

    def keep(self, wanted: Mapping[K, Work]) -> set[K]:
        """Begin what is *wanted* and not running, end what is running and not wanted; the keys ended."""
        ended = self._running.keys() - wanted.keys()
        for key in ended:
            self._running.pop(key).cancel()
        for key, work in wanted.items():
            if key not in self._running:
                self._running[key] = self._tasks.create_task(work(), name=f"{self._name}: {key}")
        return ended
