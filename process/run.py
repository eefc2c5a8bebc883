"""The life of a process: uvloop, signals, an exit code."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping

import uvloop

from process import log

Stopping = asyncio.Event
"""Set once the process has been asked to end."""


def run(
    main: Callable[[Stopping], Awaitable[int]],
    *,
    log_format: log.LogFormat = "auto",
    log_level: str = "info",
    always: Mapping[str, object] = log.NOTHING,
) -> int:
    """
    Run *main* on uvloop until it returns its exit code.

    Each line of its log has what *always* says. What *main* raises is raised; of a group that comes
    down to one error, that one.

    The first SIGTERM, SIGINT or SIGHUP (the terminal has been closed; not under nohup) sets
    *stopping*, upon which *main* ends in its own time; a second one cancels it.
    """
    log.configure(log_format, log_level, always=always)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_with_signals(main))
    except BaseExceptionGroup as group:
        raise _only(group) from group


async def _with_signals(main: Callable[[Stopping], Awaitable[int]]) -> int:
    stopping = Stopping()
    task = asyncio.ensure_future(main(stopping))
    loop = asyncio.get_running_loop()

    def asked_to_end() -> None:
        if stopping.is_set():
            task.cancel()
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue  # nohup
        loop.add_signal_handler(number, asked_to_end)
    try:
        return await task
    except asyncio.CancelledError:
        return 130


def _only(error: BaseException) -> BaseException:
    """The one error in groups of one, however deep; a group of several stays one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
