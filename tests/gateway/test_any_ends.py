"""
Whatever two sides say, in whatever pieces, and however they end: what goes in comes out.

An application and a backend, both ends of ours between them, real sockets and TLS. If nobody breaks off,
all arrives and both ends are ends. If one does, the other sees a reset and never an end, and before that a
beginning of what was said: all of it if the kernel had taken it off the one who broke off.
"""

import asyncio
import random
import socket
from contextlib import closing
from dataclasses import dataclass, field
from typing import Literal

import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.test_close_matrix import unacknowledged
from tests.support.callers import calling
from tests.support.gateways import open_gateway
from tests.support.pairs import Local
from tests.support.processes import PATIENCE
from tests.support.raw_gateway import PKI, Backends, one_route

TCP_CLOSE = 7  # linux/tcp_states.h

End = Literal["finish", "reset", "delivered, then reset"]


@dataclass(frozen=True, slots=True)
class Part:
    """What one side does."""

    pieces: tuple[tuple[int, int], ...]
    """Bytes to say, and turns of the loop to wait before."""

    end: End
    takes: int
    """Bytes that it reads at once."""

    pause: int
    """Turns of the loop that it waits before it reads again."""

    def __str__(self) -> str:
        return f"{self.pieces} then {self.end}"


@dataclass(slots=True)
class Side:
    part: Part
    local: Local
    seed: int
    said: bytes = b""
    heard: bytearray = field(default_factory=bytearray)
    saw: str = ""
    """How the other side ended: "end" or "reset"."""

    async def speak(self) -> None:
        chance = random.Random(self.seed)
        try:
            for size, turns in self.part.pieces:
                await turn(turns)
                piece = chance.randbytes(size)
                self.said += piece
                await self.local.say(piece)
            if self.part.end == "finish":
                self.local.finish()
                return
            if self.part.end != "reset":
                await taken(self.local.sock)
        except OSError:  # a send has been told of the reset, and nobody will be told again
            self.saw = "reset"
        if self.part.end != "finish":
            self.local.break_off()

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        sock = self.local.sock
        try:
            while data := await loop.sock_recv(sock, self.part.takes):
                self.heard += data
                await turn(self.part.pause)
        except ConnectionResetError:
            self.saw = "reset"
        self.saw = self.saw or "end"


async def taken(sock: socket.socket) -> None:
    """Return once the other end's kernel has all, or will never have it: the connection is over."""
    while unacknowledged(sock) and not over(sock):  # noqa: ASYNC110  # the kernel has no event for it
        await asyncio.sleep(0)


def over(sock: socket.socket) -> bool:
    return bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_CLOSE)


async def turn(times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


parts = st.builds(
    Part,
    pieces=st.lists(
        st.tuples(
            st.sampled_from((1, 5, 1_000, 16_384, 70_000, 262_144, 300_000)), st.sampled_from((0, 0, 1, 20))
        ),
        max_size=6,
    ).map(tuple),
    end=st.sampled_from(("finish", "finish", "reset", "delivered, then reset")),
    takes=st.sampled_from((1_000, 65_536, 1_000_000)),
    pause=st.sampled_from((0, 0, 3)),
)


@settings(max_examples=40)
@given(application=parts, backend=parts, early=st.booleans())
def test_what_goes_in_comes_out(application: Part, backend: Part, early: bool) -> None:
    # The loop of our processes: it treats a connection that breaks in a way of its own.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        here, there = runner.run(conversation(application, backend, early=early))
    for one, other in ((here, there), (there, here)):
        if one.part.end != "finish":
            continue  # it has not waited for what the other says
        assert other.said.startswith(one.heard), "what came was not said"
        if other.part.end == "finish":
            assert (one.saw, one.heard) == ("end", bytearray(other.said))
        else:
            assert one.saw == "reset"
        if other.part.end == "delivered, then reset":
            assert one.heard == other.said


async def conversation(application: Part, backend: Part, *, early: bool) -> tuple[Side, Side]:
    """Both sides, once each has ended; with *early* the application does not wait for the backend."""
    with closing(Backends()) as backends:
        async with (
            asyncio.timeout(PATIENCE),
            open_gateway(PKI, routes=one_route(backends.address)) as door,
            calling(PKI, door) as caller,
        ):
            here = Side(application, await caller.call(), seed=1)
            async with asyncio.TaskGroup() as tasks:
                if early:
                    begin(tasks, here)
                there = Side(backend, await backends.accept(), seed=2)
                begin(tasks, there)
                if not early:
                    begin(tasks, here)
            there.local.sock.close()
    return here, there


def begin(tasks: asyncio.TaskGroup, side: Side) -> None:
    tasks.create_task(side.speak())
    if side.part.end == "finish":
        tasks.create_task(side.listen())
