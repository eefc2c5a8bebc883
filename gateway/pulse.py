"""
What is looked at again and again: how late the loop is, and whether somebody has gone unseen.

A socket that is not read is blind to its peer's reset: a receiver that has no room keeps the sender's
socket paused, and one whose direction has ended is not read any more. So every few seconds the kernel
is asked for the state of those. It is asked then, too, whose window is shut: who pauses is not gone.
"""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

from gateway.journal import Entry

BEAT = 0.5
"""Seconds between two looks at the clock."""

BEATS_A_SWEEP = 10

_SCHEDULED = Path("/proc/thread-self/schedstat")
"""Nanoseconds that we ran, and that we waited for a CPU (Linux, sched-stats)."""


async def pulse(
    running: Callable[[], Iterable[Entry]], late: Callable[[float, float], None], *, beat: float = BEAT
) -> NoReturn:
    """
    Tell *late* by how many seconds each beat was missed, and sweep what is *running*. Until cancelled.

    The second number is what the loop itself had a part in: not the time in which others had the CPU.
    """
    loop = asyncio.get_running_loop()
    beats = 0
    while True:
        due, kept_waiting = loop.time() + beat, waited_for_cpu()
        await asyncio.sleep(beat)
        missed = max(0.0, loop.time() - due)
        late(missed, max(0.0, missed - (waited_for_cpu() - kept_waiting)))
        beats += 1
        if beats % BEATS_A_SWEEP == 0:
            sweep(running())


def waited_for_cpu() -> float:
    """Seconds in which this thread could have run and others did; 0 where the kernel does not say."""
    try:
        return int(_SCHEDULED.read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


def sweep(running: Iterable[Entry]) -> None:
    """Have those whose other side is gone find out, and give those time who only read slowly."""
    for entry in list(running):
        if entry.pump is not None:
            entry.pump.look_for_the_gone()
            entry.pump.bear_with_readers()
