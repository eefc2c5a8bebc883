"""The loop's lateness is told, and who has gone while nobody read is found out."""

import asyncio
import time

from gateway.pulse import pulse
from tests.support.pairs import local


async def test_a_loop_that_is_held_up_is_late() -> None:
    told, ours = [], []

    def late(seconds: float, own: float) -> None:
        told.append(seconds)
        ours.append(own)

    task = asyncio.create_task(pulse(lambda: (), late, beat=0.01))
    async with asyncio.timeout(60):
        while not told:  # noqa: ASYNC110  # the beat has no event
            await asyncio.sleep(0)
        time.sleep(0.2)  # noqa: ASYNC251  # what a callback that takes too long does
        while max(told) < 0.1:  # noqa: ASYNC110
            await asyncio.sleep(0)
    task.cancel()
    assert min(told) >= 0
    assert all(0 <= own <= seconds for own, seconds in zip(ours, told, strict=True))


async def test_a_wire_that_is_not_read_does_not_know_that_its_peer_has_gone_until_it_is_asked() -> None:
    there, wire = await local()
    asked = [wire.gone_unseen]
    there.break_off()
    async with asyncio.timeout(60):
        while not asked[-1]:  # the kernel has no event for who is not reading
            await asyncio.sleep(0)
            asked.append(wire.gone_unseen)
    assert not asked[0]
    wire.close()
    asked.append(wire.gone_unseen)
    assert not asked[-1], "a wire that we have closed ourselves is nobody's news"
