"""Local connections whose stream is over but which have not taken all their bytes yet."""

import asyncio
from types import TracebackType
from typing import Self

from gateway.wire import Wire


class Lingering:
    """Closes wires in their own time, so that a tunnel need not wait for a slow reader."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What has not been taken 5 s after the end of everything else is given up."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5.0)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def close(self, wire: Wire) -> None:
        """A regular end: everything sent is delivered."""
        if wire.held:
            self._settle(wire, reset=False)
        else:
            wire.close()

    def reset(self, wire: Wire) -> None:
        """An RST, behind everything that was sent."""
        if wire.closed:
            return
        if wire.failure is None and (wire.held or wire.unacknowledged):
            self._settle(wire, reset=True)
        else:
            wire.reset()

    def _settle(self, wire: Wire, *, reset: bool) -> None:
        task = asyncio.get_running_loop().create_task(self._settled(wire, reset=reset))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settled(self, wire: Wire, *, reset: bool) -> None:
        try:
            await wire.settle(reset=reset)
        finally:
            wire.reset()
