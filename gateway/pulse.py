"""
What is looked at again and again: how late the loop is, and whether somebody has gone unseen.

A socket that is not read is blind to its peer's reset: a receiver that has no room keeps the sender's
socket paused, and one whose direction has ended is not read any more. So every few seconds the kernel
is asked for the state of those.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import NoReturn

from gateway.journal import Entry

BEAT = 0.5
"""Seconds between two looks at the clock."""

BEATS_A_SWEEP = 10


async def pulse(
    running: Callable[[], Iterable[Entry]], late: Callable[[float], None], *, beat: float = BEAT
) -> NoReturn:
    """Tell *late* by how many seconds each beat was missed, and sweep what is *running*. Until cancelled."""
    loop = asyncio.get_running_loop()
    beats = 0
    while True:
        due = loop.time() + beat
        await asyncio.sleep(beat)
        late(max(0.0, loop.time() - due))
        beats += 1
        if beats % BEATS_A_SWEEP == 0:
            sweep(running())


def sweep(running: Iterable[Entry]) -> None:
    """Have those whose other side is gone find out."""
    for entry in list(running):
        if entry.pump is not None:
            entry.pump.look_for_the_gone()
