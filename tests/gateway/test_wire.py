"""A socket and its one owner: what is held is sent in order, ends and resets come behind the data."""

import asyncio
import socket
from collections.abc import Callable

import pytest
import uvloop

from gateway.connecting import connect
from gateway.dial import dial
from gateway.lingering import Lingering
from gateway.refusals import BackendUnreachable
from gateway.wire import Wire, accepted
from process.address import Address
from tests.support.pairs import Local, local
from tests.support.processes import until

BULK = bytes(range(256)) * 100_000  # far more than the kernel takes at once


async def wire_with_bulk() -> tuple[Local, Wire]:
    reader, wire = await local()
    assert not wire.send(BULK)
    assert 0 < wire.held < len(BULK)
    return reader, wire


async def test_what_the_kernel_does_not_take_is_held_and_sent_in_order() -> None:
    reader, wire = await wire_with_bulk()
    drained = asyncio.Event()
    held = [0]
    wire.watch(lambda: None, drained.set, held.append)
    assert sum(held) == wire.held
    assert not wire.send(b"behind")
    assert not wire.send_many([memoryview(b" it"), memoryview(b" all")])
    wire.finish()
    assert await reader.hear_out() == "end"
    assert bytes(reader.heard) == BULK + b"behind it all"
    await drained.wait()
    assert wire.held == sum(held) == 0
    wire.close()
    reader.sock.close()


@pytest.mark.parametrize("held", [False, True])
async def test_more_slices_than_one_system_call_takes(held: bool) -> None:
    reader, wire = await wire_with_bulk() if held else await local()
    tiny = bytes(number % 251 for number in range(5000))
    wire.send_many([memoryview(tiny)[at : at + 1] for at in range(len(tiny))])
    wire.finish()
    assert await reader.hear_out() == "end"
    assert bytes(reader.heard) == (BULK if held else b"") + tiny
    assert wire.failure is None
    wire.close()
    reader.sock.close()


async def test_many_slices_of_which_only_some_are_taken() -> None:
    reader, wire = await local()
    parts = [BULK[start : start + 1_000_001] for start in range(0, len(BULK), 1_000_001)]
    assert not wire.send_many([memoryview(part) for part in parts])
    wire.finish()
    assert await reader.hear_out() == "end"
    assert bytes(reader.heard) == BULK
    wire.close()
    reader.sock.close()


async def test_a_slow_reader_gets_everything_before_the_wire_closes() -> None:
    reader, wire = await wire_with_bulk()
    async with Lingering() as lingering:
        lingering.close(wire)
        assert wire.held
        assert await reader.hear_out() == "end"
    assert bytes(reader.heard) == BULK
    assert wire.closed
    reader.sock.close()


async def test_nobody_waits_for_what_a_connection_that_is_over_will_not_confirm() -> None:
    """It was reset with bytes in our send queue: they stay there."""
    reader, wire = await wire_with_bulk()
    wire._drop_held()
    reader.break_off()
    await until(lambda: wire.gone_unseen, "the reset")
    assert wire.unacknowledged
    async with asyncio.timeout(2.0):
        await wire.settle(reset=True)
    assert wire.closed


async def test_a_reader_that_pauses_is_not_taken_for_one_that_is_gone() -> None:
    (cut_reader, cut), (reader, wire) = [await wire_with_bulk() for _ in range(2)]
    for one in (cut, wire):
        await until(lambda one=one: one._window_is_shut(), "the window to shut")
        one._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 500)  # 30,000 as a rule
    wire.bear_with_reader()
    await until(lambda: cut.gone_unseen, "the kernel to cut who is not borne with")
    assert not wire.gone_unseen
    wire.finish()
    assert await reader.hear_out() == "end"
    assert bytes(reader.heard) == BULK
    wire.bear_with_reader()
    assert wire._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
    for one in (cut, wire):
        one.close()
    for local_end in (cut_reader, reader):
        local_end.sock.close()


async def test_a_wire_that_ends_leaves_a_slow_reader_the_time_it_has_had() -> None:
    reader, wire = await wire_with_bulk()
    looked_at = wire._sock.dup()
    async with Lingering() as lingering:
        lingering.close(wire)
        await until(
            lambda: looked_at.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0, "patience"
        )
        looked_at.close()
        assert await reader.hear_out() == "end"
    assert bytes(reader.heard) == BULK
    reader.sock.close()


async def test_a_reset_comes_behind_the_data() -> None:
    reader, wire = await wire_with_bulk()
    async with Lingering() as lingering:
        lingering.reset(wire)
        assert await reader.hear_out() == "reset"
    assert bytes(reader.heard) == BULK
    reader.sock.close()


async def test_a_reader_that_takes_nothing_is_given_up() -> None:
    reader, wire = await wire_with_bulk()
    await wire.settle(reset=False, patience=0.05)
    assert wire.closed
    reader.sock.close()


async def test_last_words_are_read_before_the_close() -> None:
    reader, wire = await local()
    await reader.say(b"unread")
    wire.send(b"last words")
    lingering = asyncio.create_task(wire.linger())
    assert await reader.hear(10) == b"last words"
    assert await reader.hear_out() == "end"
    reader.sock.close()
    await lingering
    assert wire.closed


async def test_a_failed_send_is_no_verdict() -> None:
    """What had arrived before can still be read; the reader is woken to meet the end."""
    reader, wire = await local()
    await reader.say(b"arrived before")
    await wire.until_readable()
    woken = asyncio.Event()
    wire.watch(woken.set, lambda: None, lambda _: None)
    reader.break_off()
    while wire.failure is None:
        assert wire.send(b"x")
        await asyncio.sleep(0)
    await woken.wait()
    wire.close()


async def test_closing_twice_and_watching_what_is_closed() -> None:
    reader, wire = await local()
    wire.close()
    wire.close()
    wire.reset()
    wire.resume()
    wire.finish()
    assert wire.closed
    reader.sock.close()


async def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = Address("127.0.0.1", free.getsockname()[1])
        with pytest.raises(ConnectionRefusedError):
            await connect(address, timeout=5)
        with pytest.raises(BackendUnreachable, match="Connection refused"):
            await dial([address], each=1, total=2, allow_loopback=True)


async def test_the_next_address_is_tried() -> None:
    with socket.socket() as free, socket.create_server(("127.0.0.1", 0)) as listening:
        free.bind(("127.0.0.1", 0))
        refusing = Address("127.0.0.1", free.getsockname()[1])
        taking = Address("127.0.0.1", listening.getsockname()[1])
        wire, which = await dial([refusing, taking], each=1, total=2, allow_loopback=True)
        assert which == taking
        wire.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "::ffff:127.0.0.1", "0.0.0.0"])
async def test_a_forbidden_address_is_never_connected(host: str) -> None:
    with pytest.raises(BackendUnreachable, match=r"loopback|link-local|unspecified"):
        await dial([Address(host, 9)], each=1, total=2, allow_loopback=False)


async def test_a_backend_whose_backlog_is_full_is_asked_again() -> None:
    """The kernel drops what does not fit, and asks again after a second: longer than one try."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        address = Address("127.0.0.1", listening.getsockname()[1])
        filling = [socket.create_connection(listening.getsockname(), timeout=1)]
        overflowing = asyncio.create_task(dial([address], each=0.05, total=10, allow_loopback=True))
        await asyncio.sleep(0.2)
        listening.accept()[0].close()
        wire, _ = await overflowing
        wire.close()
        for one in filling:
            one.close()


async def test_no_address_at_all() -> None:
    with pytest.raises(BackendUnreachable, match="no address"):
        await dial([], each=1, total=2, allow_loopback=True)


async def test_an_ipv4_peer_of_a_dual_stack_listener_has_its_ipv4_address() -> None:
    listening = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    with listening, socket.create_connection(("127.0.0.1", listening.getsockname()[1])) as peer:
        wire = accepted(*listening.accept())
        assert wire.remote == Address(*peer.getsockname())
        assert wire.local == Address(*peer.getpeername())
        wire.close()


async def read_through_a_break() -> tuple[bytes, str]:
    """What a reader that takes two bytes a wake gets of six behind which there was a reset, and what then."""
    loop = asyncio.get_running_loop()
    there, wire = await local()
    await there.say(b"abcdef")
    there.break_off()
    got, room, ended = bytearray(), bytearray(2), loop.create_future()

    def readable() -> None:
        try:
            count = wire.receive_into(memoryview(room))
        except ConnectionResetError:
            count = 0
            wire.failure = wire.failure or ConnectionResetError()
        if count:
            wire.heed_break()
            got.extend(room[:count])
        else:
            wire.pause()
            ended.set_result("reset" if wire.failure else "end")

    wire.watch(readable, lambda: None, lambda _: None)
    wire.resume()
    async with asyncio.timeout(60):
        how = await ended
    wire.close()
    return bytes(got), how


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_reset_behind_bytes_is_met_once_they_are_read(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """Also with uvloop, which wakes the reader of a broken socket only once."""
    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(read_through_a_break()) == (b"abcdef", "reset")
