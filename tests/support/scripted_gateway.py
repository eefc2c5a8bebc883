"""
Gateways of a test's own that speak `jackstay/1`, their frames written by hand: two doors of one target.
The first connection meets the test's script, later ones a gateway that does what it should.

    async with ScriptedGateways(PKI, script, others) as gateways:
        ...
    assert gateways.told(QUESTION) <= 1
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from process.address import Address
from tests.support.linkerd_gateway import LinkerdGateway
from tests.support.pki import Pki
from tests.support.tls_peer import Left, TlsPeer

OPEN, OPENED, REFUSED, DATA, END, RESET, GOAWAY, PING, PONG = range(1, 10)


def frame(kind: int, payload: bytes = b"") -> bytes:
    return bytes((kind,)) + len(payload).to_bytes(3, "big") + payload


class Conversation:
    """One tunnel, as its gateway sees it."""

    def __init__(self, peer: TlsPeer) -> None:
        self.peer = peer
        self.data = bytearray()
        """All that came in DATA frames."""

    async def hear(self, *kinds: int) -> bytes:
        """The payload of the next frame, which is one of *kinds*; any if there are none. Raises Left."""
        header = await self.peer.hear(4)
        payload = await self.peer.hear(int.from_bytes(header[1:], "big"))
        assert not kinds or header[0] in kinds, header
        if header[0] == DATA:
            self.data += payload
        return payload

    async def say(self, kind: int, payload: bytes = b"") -> None:
        await self.peer.say(frame(kind, payload))

    async def let_in(self) -> None:
        """The client's first PING, and our PONG."""
        await self.say(PONG, await self.hear(PING))

    async def hear_data(self, count: int) -> None:
        while len(self.data) < count:
            await self.hear(DATA)

    async def hear_out(self) -> None:
        """What still comes, until the client leaves."""
        with contextlib.suppress(Left, ConnectionError):
            while True:
                await self.hear()

    async def overhear(self) -> None:
        """Frames that have come already; nothing is awaited that has not."""
        with contextlib.suppress(TimeoutError, Left, ConnectionError):
            async with asyncio.timeout(0):
                while True:
                    await self.hear()


class ScriptedGateways:
    """Two doors, within the block; which of them is tried first does not matter."""

    def __init__(
        self,
        pki: Pki,
        script: Callable[[Conversation], Awaitable[None]],
        others: Callable[[Conversation], Awaitable[None]],
    ) -> None:
        """*script* is for the first connection, *others* for those that follow."""
        self._script = script
        self._others = others
        self._doors = tuple(LinkerdGateway(pki, alpn=("jackstay/1",)) for _ in range(2))
        self._accepting: list[asyncio.Task[None]] = []
        self._talking: list[asyncio.Task[None]] = []
        self.conversations: list[Conversation] = []

    @property
    def addresses(self) -> list[Address]:
        return [door.address for door in self._doors]

    def told(self, word: bytes) -> int:
        """Over how many tunnels an application that said *word* has said some of it."""
        return sum(word.startswith(bytes(one.data)) and bool(one.data) for one in self.conversations)

    async def __aenter__(self) -> Self:
        self._accepting = [asyncio.create_task(self._accept(door)) for door in self._doors]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Who uses the doors has left by now, so all conversations come to their end."""
        for accepting in self._accepting:
            accepting.cancel()
        try:
            await asyncio.gather(*self._talking)
        finally:
            for door in self._doors:
                await door.__aexit__(kind, error, trace)

    async def _accept(self, door: LinkerdGateway) -> None:
        while True:
            with contextlib.suppress(ConnectionError):  # it has left within its handshake
                conversation = Conversation(await door.accept())
                self._talking.append(asyncio.create_task(self._talk(conversation)))

    async def _talk(self, conversation: Conversation) -> None:
        script = self._others if self.conversations else self._script
        self.conversations.append(conversation)
        with contextlib.suppress(Left, ConnectionError):
            await script(conversation)
        if conversation.peer.sock.fileno() >= 0:
            await conversation.hear_out()
            conversation.peer.sock.close()
