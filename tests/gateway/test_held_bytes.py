"""What receivers do not take is bounded: reads get small, newcomers are refused, and nobody loses a byte."""

import asyncio

import pytest

from gateway.buffers import CHUNK, LATE, SMALL_CHUNK, Buffers
from gateway.refusals import OverLimit
from gateway.settings import InboundSettings
from tests.support.both_ends import both_ends, echoes
from tests.support.pairs import Local


def test_reads_are_small_above_half_of_what_may_be_held_and_regular_again_below() -> None:
    buffers = Buffers(most_held=1000)
    sizes = []
    for more in (500, 1, 499, -500):
        buffers.hold(more)
        sizes.append((len(buffers.wire_room), len(buffers.frame_room)))
    regular, small = (CHUNK, CHUNK), (SMALL_CHUNK, SMALL_CHUNK)
    assert sizes == [regular, small, small, regular]


def test_reads_are_small_while_the_loop_is_late() -> None:
    buffers = Buffers()
    sizes = []
    for late in (LATE, 2 * LATE, 0.0):
        buffers.loop_late(late)
        sizes.append(buffers.chunk)
    assert sizes == [CHUNK, SMALL_CHUNK, CHUNK]


def test_no_newcomer_above_what_may_be_held() -> None:
    buffers = Buffers(most_held=1000)
    buffers.hold(1000)
    buffers.check()
    buffers.hold(1)
    with pytest.raises(OverLimit, match="1001 bytes are held"):
        buffers.check()


async def is_refused(newcomer: Local) -> bool:
    """Whether it is reset rather than answered."""
    await newcomer.say(b"?")
    try:
        assert await newcomer.hear(1) == b"?"
    except ConnectionResetError:
        return True
    newcomer.break_off()
    return False


async def test_a_reader_that_takes_nothing_costs_newcomers_their_stream_and_nobody_a_byte() -> None:
    bulk = bytes(range(256)) * 4 * 4096 * 16  # more than all sockets on the way take
    async with asyncio.timeout(60), both_ends(inbound_settings=InboundSettings(most_held_bytes=1)) as ends:
        other = await ends.call()
        await echoes(other, b"here before")
        greedy = await ends.call()
        saying = asyncio.create_task(greedy.say(bulk))
        while not await is_refused(await ends.call()):
            pass  # what is on its way can be held for a moment and be gone again
        await echoes(other, b"not harmed")
        heard = await greedy.hear(len(bulk))
        await saying
        assert heard == bulk
        assert ends.inbound._buffers.held == 0
        newcomer = await ends.call()
        await echoes(newcomer, b"welcome again")
