"""Sockets that have not sent a byte: handed over when they do, or when they have not for too long."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.listener import Listener, listening_socket
from gateway.refusals import Refused
from gateway.waiting_room import Remote, WaitingRoom
from gateway.wire import Wire
from process.address import Address
from tests.support.pairs import connected_sockets

PATIENCE = 0.2
"""Seconds."""


@dataclass
class Visitors:
    """Who came out of a room, and by which door."""

    arrived: list[int] = field(default_factory=list)
    silent: list[int] = field(default_factory=list)

    def room(self, patience: float) -> WaitingRoom:
        return WaitingRoom(patience, arrived=self._taker(self.arrived), silent=self._taker(self.silent))

    def _taker(self, where: list[int]) -> Callable[[socket.socket, Remote], None]:
        def take(sock: socket.socket, remote: Remote) -> None:
            (number,) = remote
            assert isinstance(number, int)
            where.append(number)
            sock.close()

        return take


async def visitors(room: WaitingRoom, count: int) -> list[socket.socket]:
    """The other ends of *count* sockets in *room*, numbered in the order in which they came."""
    ends = []
    for number in range(count):
        end, ours = await connected_sockets()
        room.add(ours, (number,))
        ends.append(end)
    return ends


async def test_who_sends_or_leaves_is_handed_over_and_the_rest_stay() -> None:
    seen = Visitors()
    room = seen.room(60)
    ends = await visitors(room, 4)
    ends[2].send(b"x")
    await room_has(room, 3)
    ends[0].close()
    await room_has(room, 2)
    assert seen.arrived == [2, 0]
    assert seen.silent == []
    room.close()
    for end in (ends[1], ends[3]):
        assert await asyncio.get_running_loop().sock_recv(end, 1) == b""
        end.close()
    ends[2].close()


async def test_who_is_silent_for_too_long_is_handed_over_the_oldest_first() -> None:
    seen = Visitors()
    room = seen.room(PATIENCE)
    ends = await visitors(room, 3)
    ends[1].send(b"x")
    async with asyncio.timeout(60):
        await room.until_empty()
    assert seen.arrived == [1]
    assert seen.silent == [0, 2]
    room.close()
    room.close()
    for end in ends:
        end.close()


async def room_has(room: WaitingRoom, count: int) -> None:
    async with asyncio.timeout(60):
        while len(room) != count:  # noqa: ASYNC110  # only the loop's own turns are waited for
            await asyncio.sleep(0.001)


# In a listener.


@dataclass
class Served:
    """A listener's calls."""

    begun: list[Wire] = field(default_factory=list)
    silent: list[Wire] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    async def serve(self, wire: Wire) -> None:
        self.begun.append(wire)
        try:
            while await wire.receive():
                pass
        finally:
            wire.close()

    def was_silent(self, wire: Wire) -> None:
        self.silent.append(wire)
        wire.close()


@asynccontextmanager
async def listening(served: Served, *, first_byte: float, most: int = 2) -> AsyncIterator[Listener]:
    async with Listener(
        listening_socket(Address("127.0.0.1", 0)),
        served.serve,
        most=most,
        refused=served.refused.append,
        failed=lambda: None,
        silent=served.was_silent,
        first_byte=first_byte,
    ) as listener:
        yield listener


async def comer(listener: Listener) -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, (listener.address.host, listener.address.port))
    except OSError:
        sock.close()
        raise
    return sock


async def until(listener: Listener, *, connections: int) -> None:
    async with asyncio.timeout(60):
        while listener.connections != connections:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.001)


async def until_begun(served: Served, count: int) -> None:
    async with asyncio.timeout(60):
        while len(served.begun) < count:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.001)


async def test_a_connection_is_served_from_its_first_byte_on() -> None:
    served = Served()
    async with listening(served, first_byte=60) as listener:
        with await comer(listener) as first, await comer(listener) as second:
            await until(listener, connections=2)
            assert served.begun == []
            second.send(b"x")
            await until_begun(served, 1)
            assert listener.connections == 2
            assert first.fileno() >= 0
    assert len(served.begun) == 1
    assert served.silent == []


async def test_silent_connections_have_places_of_their_own() -> None:
    served = Served()
    async with listening(served, first_byte=60) as listener:
        with await comer(listener) as first, await comer(listener) as second:
            await until(listener, connections=2)
            assert await next_is_refused(listener)  # two are waiting already
            for one in (first, second):
                one.send(b"x")
            await until_begun(served, 2)
            assert await next_is_refused(listener)  # two are served already
    assert [refusal.reason.value for refusal in served.refused] == ["limit", "limit"]


async def test_a_silent_one_is_handed_over_after_a_while() -> None:
    served = Served()
    async with listening(served, first_byte=PATIENCE) as listener:
        with await comer(listener) as silent:
            assert await asyncio.get_running_loop().sock_recv(silent, 1) == b""
        await until(listener, connections=0)
    assert len(served.silent) == 1
    assert served.begun == []


async def next_is_refused(listener: Listener) -> bool:
    try:
        with await comer(listener) as sock:
            return not await asyncio.get_running_loop().sock_recv(sock, 1)
    except ConnectionResetError:
        return True
