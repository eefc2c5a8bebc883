"""What a peer may send before it is trusted, and under which anchors it is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import pytest

from certs.generation import Generation
from certs.trust_bundle import TrustBundle
from gateway import handshake
from gateway.buffers import Buffers
from gateway.channel import Channel
from gateway.handshake_queue import HandshakeThreads
from gateway.refusals import PeerUntrusted, ProtocolViolation, Refused
from gateway.tls_engine import HANDSHAKE_BUDGET, TlsEngine
from gateway.wire import Wire
from tests.support.pairs import CLIENT, GATEWAY, wires
from tests.support.pki import Pki

PKI = Pki.make()
OURS = PKI.generation(CLIENT)
THEIRS = PKI.generation(GATEWAY)
NAME = PKI.identity(GATEWAY).dns_name
BULK = bytes(range(256)) * 160
"""40 KB."""

T = TypeVar("T")


class Counted(HandshakeThreads):
    """One thread, and for each of its jobs whether its handshake had begun before."""

    def __init__(self) -> None:
        super().__init__(1)
        self.jobs: list[bool] = []

    async def run(self, work: Callable[[], T], *, begun: bool) -> T:
        self.jobs.append(begun)
        return await super().run(work, begun=begun)


@dataclass
class Server:
    """A gateway's side of one connection, and what became of it."""

    wire: Wire
    threads: Counted
    accepting: asyncio.Task[handshake.Secured]

    async def refusal(self) -> Refused:
        with pytest.raises(Refused) as refused:
            await self.accepting
        return refused.value


@asynccontextmanager
async def server(generation: Callable[[], Generation] = lambda: THEIRS) -> AsyncIterator[tuple[Wire, Server]]:
    """The client's wire, and the server at its other end."""
    ours, theirs = await wires()
    with Counted() as threads:
        accepting = asyncio.create_task(handshake.accept(theirs, generation, threads))
        try:
            async with asyncio.timeout(60):
                yield ours, Server(theirs, threads, accepting)
        finally:
            accepting.cancel()
            await asyncio.wait([accepting])
            ours.close()
            theirs.close()


async def second_flight(wire: Wire) -> tuple[TlsEngine, bytes]:
    """A client that knows the server, and what it has to send to be known itself."""
    client = TlsEngine(OURS.client, server_name=NAME)
    client.shake_hands(b"")
    await wire.send_all(client.outgoing())
    answer = b""
    while True:
        answer += await wire.receive()
        complete, taken = client.shake_hands(answer)
        answer = answer[taken:]
        if complete:
            return client, client.outgoing()


class Hearing:
    """A channel's receiver."""

    def __init__(self) -> None:
        self.heard = bytearray()

    def plaintext(self, view: memoryview) -> bool:
        self.heard += view
        return False

    def takes_bare_fin(self) -> bool:
        return False

    def settled(self) -> None:
        pass

    def drained(self) -> None:
        pass

    def finished(self) -> None:
        pass

    def broken(self, cause: Refused) -> None:
        raise AssertionError(cause)


async def test_what_is_pipelined_behind_the_handshake_is_data() -> None:
    """40 KB in one flight with the client's Finished: no part of a handshake, and none of it lost."""
    async with server() as (wire, there):
        client, flight = await second_flight(wire)
        await wire.send_all(flight + client.encrypt(memoryview(BULK)))
        secured = await there.accepting
        assert len(secured.unread) < HANDSHAKE_BUDGET
        receiver = Hearing()
        channel = Channel(there.wire, secured.engine, Buffers(), secured.unread)
        channel.start(receiver)
        while len(receiver.heard) < len(BULK):  # noqa: ASYNC110  # a receiver has no event for it
            await asyncio.sleep(0)
        assert receiver.heard == BULK
        channel.close()


@pytest.mark.parametrize("cut", [1, 5, 100])
async def test_a_client_hello_in_pieces_is_one_job(cut: int) -> None:
    async with server() as (wire, there):
        client = TlsEngine(OURS.client, server_name=NAME)
        client.shake_hands(b"")
        hello = client.outgoing()
        for at in range(0, len(hello), cut):
            await wire.send_all(hello[at : at + cut])
            await asyncio.sleep(0)
        answer = b""
        while not client.shake_hands(answer)[0]:
            answer = await wire.receive()
        await wire.send_all(client.outgoing())
        await there.accepting
        assert there.threads.jobs == [False, True]


async def test_a_record_that_never_becomes_whole_is_held_only_so_far() -> None:
    """And gets no time of a thread."""
    async with server() as (wire, there):
        await wire.send_all(b"\x16\x03\x01\x40\x00" + bytes(HANDSHAKE_BUDGET - 5))
        refusal = await there.refusal()
        assert isinstance(refusal, ProtocolViolation)
        assert str(HANDSHAKE_BUDGET) in str(refusal)
        assert there.threads.jobs == []


@pytest.mark.parametrize("size", [1, 1000])
async def test_a_handshake_that_goes_on_and_on_is_refused(size: int) -> None:
    """A ClientHello that claims to be long, in *size* bytes a record: counted until it completes."""
    claimed = b"\x01\x00\xff\xff" + bytes(65535)
    records = [claimed[at : at + size] for at in range(0, 17_000, size)]
    async with server() as (wire, there):
        await wire.send_all(b"".join(b"\x16\x03\x01" + len(r).to_bytes(2, "big") + r for r in records))
        assert isinstance(await there.refusal(), ProtocolViolation)


@pytest.mark.parametrize("what", ["GET / HTTP/1.1\r\n", "SSH-2.0-x\r\n"])
async def test_what_is_not_tls_gets_no_time_of_a_thread(what: str) -> None:
    async with server() as (wire, there):
        await wire.send_all(what.encode())
        assert isinstance(await there.refusal(), ProtocolViolation)
        assert there.threads.jobs == []


# Anchors that change while a handshake is under way.


@dataclass
class Changing:
    """The generation that holds now."""

    now: Generation = THEIRS

    def __call__(self) -> Generation:
        return self.now


async def test_a_peer_that_the_new_anchors_do_not_vouch_for_is_refused() -> None:
    changing = Changing()
    async with server(changing) as (wire, there):
        client, flight = await second_flight(wire)
        changing.now = PKI.generation(GATEWAY, number=2, bundle=Pki.make().bundle)
        await wire.send_all(flight + client.encrypt(memoryview(b"not to be looked at")))
        refusal = await there.refusal()
        assert isinstance(refusal, PeerUntrusted)
        assert "no trust anchor vouches for" in str(refusal)


async def test_a_peer_that_the_new_anchors_vouch_for_too_is_let_in() -> None:
    changing = Changing()
    async with server(changing) as (wire, there):
        _, flight = await second_flight(wire)
        both = TrustBundle.from_pem(PKI.anchors_pem + Pki.make().anchors_pem)
        changing.now = PKI.generation(GATEWAY, number=2, bundle=both)
        await wire.send_all(flight)
        assert (await there.accepting).peer.identity == PKI.identity(CLIENT).dns_name
        assert there.threads.jobs == [False, True, True]
        assert len(changing.now.chains) == 1


async def test_a_new_certificate_under_the_same_anchors_costs_nothing() -> None:
    changing = Changing()
    async with server(changing) as (wire, there):
        _, flight = await second_flight(wire)
        changing.now = PKI.generation(GATEWAY, number=2)
        await wire.send_all(flight)
        await there.accepting
        assert there.threads.jobs == [False, True]


async def test_a_client_holds_the_server_against_the_new_anchors_too() -> None:
    changing = Changing(OURS)
    ours, theirs = await wires()
    with HandshakeThreads(1) as threads:
        connecting = asyncio.create_task(handshake.connect(ours, changing, NAME, threads))
        server = TlsEngine(THEIRS.server, server_name=None)
        hello = await theirs.receive()
        server.shake_hands(hello)
        changing.now = PKI.generation(CLIENT, number=2, bundle=Pki.make().bundle)
        await theirs.send_all(server.outgoing())
        with pytest.raises(PeerUntrusted):
            await connecting
    ours.close()
    theirs.close()
