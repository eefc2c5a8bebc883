"""A direct connection by itself: what its stream is told, and what it is not told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway import handshake
from gateway.buffers import Buffers
from gateway.channel import Channel
from gateway.direct import Direct
from gateway.lingering import Lingering
from gateway.messages import Refusal
from gateway.refusals import PeerGone, Reason, Refused
from gateway.wire import Wire
from tests.support.pairs import CLIENT, GATEWAY, SOMEWHERE, connected_sockets
from tests.support.pki import Pki
from tests.support.processes import until
from tests.support.tls_peer import TlsPeer, context

PKI = Pki.make()


class Told:
    """A stream that writes down what it is told."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.events: list[str] = []

    def data(self, view: memoryview) -> None:
        self.heard += view

    def data_in_parts(self, slices: object) -> None:
        raise AssertionError("there are no frames here")

    def answered(self, refusal: Refusal | None) -> None:
        raise AssertionError("nobody answers here")

    def ended(self) -> None:
        self.events.append("ended")

    def reset(self, reason: Reason) -> None:
        raise AssertionError("there is no RESET here")

    def room(self) -> None:
        self.events.append("room")

    def over(self) -> None:
        self.events.append("over")

    def lost(self, cause: Refused) -> None:
        self.events.append(f"lost: {type(cause).__name__}")


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[TlsPeer, Direct, Told]]:
    """A client, and the server's end with its stream."""
    theirs, ours = await connected_sockets()
    wire = Wire(ours, SOMEWHERE)
    peer = TlsPeer(theirs, context(PKI, CLIENT), PKI.identity(GATEWAY).dns_name)
    generation = PKI.generation(GATEWAY)
    async with asyncio.timeout(60), Lingering() as lingering:
        secured, _ = await asyncio.gather(
            handshake.accept(wire, lambda: generation, None), peer.shake_hands()
        )
        direct = Direct(Channel(wire, secured.engine, Buffers(), secured.unread), secured.peer)
        told = Told()
        direct.accept(told)
        try:
            yield peer, direct, told
        finally:
            direct.part(lingering)
            peer.sock.close()


async def turns() -> None:
    """Time for the loop to tell whatever there is to be told."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_fin_behind_a_close_notify_is_no_news() -> None:
    """Also if the stream asks for more, since its backend has room again."""
    async with pair() as (peer, direct, told):
        await peer.say_and_finish(b"all")
        await until(lambda: told.events, "the end")
        direct.resume()
        await turns()
        assert (told.events, bytes(told.heard)) == (["ended"], b"all")
        assert direct.lost is None
        direct.send_data(memoryview(b"\0\0\0\0an answer"))
        direct.send_end()
        assert await peer.hear(9) == b"an answer"
        assert await peer.hear_out() == "close_notify"
        assert told.events == ["ended", "over"]
        assert direct.over


async def test_a_fin_alone_is_never_an_end() -> None:
    async with pair() as (peer, direct, told):
        await peer.say(b"some")
        peer.fin()
        await until(lambda: told.events, "the end")
        assert (told.events, bytes(told.heard)) == (["lost: PeerGone"], b"some")
        assert isinstance(direct.lost, PeerGone)
        assert not direct.over
        assert not direct.may_speak


async def test_what_is_broken_off_is_over_at_once_and_a_reset_for_the_peer() -> None:
    """There is no last word of the peer to wait for, as a tunnel has to."""
    async with pair() as (peer, direct, told):
        direct.send_data(memoryview(b"\0\0\0\0begun"))
        direct.break_off(Reason.BACKEND_RESET)
        assert told.events == ["over"]
        assert not direct.over, "that is, not regularly"
        assert not direct.may_speak
        async with Lingering() as lingering:
            direct.part(lingering)
            assert await peer.hear(5) == b"begun"
            assert await peer.hear_out() == "reset"


async def test_behind_our_end_it_can_still_be_broken_off() -> None:
    async with pair() as (peer, direct, told):
        direct.send_end()
        assert await peer.hear_out() == "close_notify"
        direct.break_off(Reason.BACKEND_RESET)
        assert told.events == ["over"]
        async with Lingering() as lingering:
            direct.part(lingering)
            assert await peer.hear_tcp_out() == "reset"


async def test_a_pause_keeps_bytes_in_the_kernel() -> None:
    async with pair() as (peer, direct, told):
        direct.pause()
        await peer.say(b"later")
        await turns()
        assert not told.heard
        direct.resume()
        await until(lambda: told.heard == b"later", "the bytes")
