"""
How a peer may end, and when: four ways, three orders, over real sockets. A cell says what the backend
sees; what was sent before is counted in every one of them, in both directions.
"""

import asyncio
import fcntl
import socket
import sys
import termios
from collections.abc import Awaitable, Callable

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from tests.support.pairs import Local
from tests.support.processes import until
from tests.support.raw_gateway import SNI, reached
from tests.support.tls_peer import LINKERD, TlsPeer

QUESTION = bytes(range(256)) * 1200
ANSWER = bytes(reversed(range(256))) * 900
MORE = b"and one thing more"
RAW = (LINKERD, SNI)


async def fin(peer: TlsPeer) -> None:
    peer.fin()


async def rst(peer: TlsPeer) -> None:
    peer.break_off()


ENDS: dict[str, Callable[[TlsPeer], Awaitable[None]]] = {
    "close_notify": TlsPeer.end,
    "close_notify+FIN": TlsPeer.finish,
    "bare FIN": fin,
    "RST": rst,
}
CLEAN = ("close_notify", "close_notify+FIN")


def backend_sees(protocol: str, end: str) -> str:
    """An end, if the peer's protocol has said one: within a tunnel's stream only END is."""
    return "end" if protocol in RAW and end in CLEAN else "reset"


cells = pytest.mark.parametrize("end", ENDS)
protocols = pytest.mark.parametrize("protocol", [*RAW, "jackstay/1"])


def unacknowledged(sock: socket.socket) -> int:
    """Bytes that the other end's kernel has not confirmed (SIOCOUTQ)."""
    return int.from_bytes(fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


async def heard_out(backend: Local) -> tuple[str, bytes]:
    return await backend.hear_out(), bytes(backend.heard)


async def talked_to_a_reset(peer: TlsPeer) -> bool:
    """Whether what *peer* says ends in a reset; the loop is given its turn between two sayings."""
    try:
        while True:
            await peer.say(QUESTION)
            await asyncio.sleep(0)
    except (ConnectionResetError, BrokenPipeError):
        return True


async def last_words(peer: TlsPeer) -> str:
    """How the peer's connection ended for it; one that it has reset itself tells nothing."""
    return await peer.hear_out() if peer.sock.fileno() >= 0 else "reset"


@protocols
@cells
async def test_the_client_first(protocol: str, end: str) -> None:
    async with reached(protocol) as (peer, backend):
        await peer.say(QUESTION)
        assert await backend.hear(len(QUESTION)) == QUESTION
        await ENDS[end](peer)
        expected = backend_sees(protocol, end)
        assert await heard_out(backend) == (expected, b"")
        if expected == "end":  # and the answer, said after that, is not lost
            await backend.say(ANSWER)
            backend.finish()
            assert await peer.hear(len(ANSWER)) == ANSWER
            assert await peer.hear_out() == "close_notify"
            assert not peer.heard
        elif protocol in RAW:
            assert await last_words(peer) == "reset"


@protocols
@cells
async def test_the_backend_first(protocol: str, end: str) -> None:
    async with reached(protocol) as (peer, backend):
        await backend.say(ANSWER)
        backend.finish()
        assert await peer.hear(len(ANSWER)) == ANSWER
        if protocol in RAW:
            assert await peer.hear_out() == "close_notify"
            assert not peer.heard
        else:
            assert await TlsPeer.hear(peer, 4) == b"\x05\0\0\0"
        await peer.say(QUESTION)
        assert await backend.hear(len(QUESTION)) == QUESTION
        await peer.say(MORE)
        assert await backend.hear(len(MORE)) == MORE
        await ENDS[end](peer)
        assert await heard_out(backend) == (backend_sees(protocol, end), b"")


@protocols
@cells
async def test_both_at_once(protocol: str, end: str) -> None:
    async with reached(protocol) as (peer, backend):
        await asyncio.gather(peer.say(QUESTION), backend.say(ANSWER))
        assert await backend.hear(len(QUESTION)) == QUESTION
        assert await peer.hear(len(ANSWER)) == ANSWER
        await peer.say(MORE)
        if end == "RST":
            assert await backend.hear(len(MORE)) == MORE
            backend.finish()
            await ENDS[end](peer)
            assert await heard_out(backend) == ("reset", b"")
            return
        backend.finish()
        await ENDS[end](peer)
        assert await heard_out(backend) == (backend_sees(protocol, end), MORE)
        if end in CLEAN and protocol in RAW:
            assert await peer.hear_out() == "close_notify"
            assert await peer.receive() == b"", "and then the connection is closed"


@pytest.mark.parametrize("protocol", RAW)
async def test_a_backends_reset_is_no_clean_end_for_the_peer(protocol: str) -> None:
    async with reached(protocol) as (peer, backend):
        await backend.say(ANSWER)
        assert await peer.hear(len(ANSWER)) == ANSWER
        backend.break_off()
        assert await peer.hear_out() == "reset"


@pytest.mark.parametrize("protocol", RAW)
async def test_a_backend_that_takes_no_more_behind_its_end_resets_the_peer(protocol: str) -> None:
    """It has closed, not half-closed: what the peer still says cannot be given to anybody."""
    async with reached(protocol) as (peer, backend):
        await backend.say(ANSWER)
        backend.sock.close()
        assert await peer.hear(len(ANSWER)) == ANSWER
        assert await peer.hear_out() == "close_notify"
        assert await talked_to_a_reset(peer)


@protocols
async def test_a_reset_does_not_overtake_what_a_slow_reader_has_not_taken(protocol: str) -> None:
    """An RST would destroy what still waits in our send queue: it comes behind all of it."""
    with capture_logs() as lines:
        async with reached(protocol) as (peer, backend):
            peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
            await backend.say(ANSWER)
            # Its own reset would destroy what the gateway's kernel has not got.
            await until(lambda: not unacknowledged(backend.sock), "the gateway to have the answer")
            backend.break_off()
            if protocol in RAW:  # a tunnel says RESET in its order, and lives on
                await until(lambda: "connection.closed" in [line["event"] for line in lines], "the end")
            assert await peer.hear(len(ANSWER)) == ANSWER
            if protocol in RAW:
                assert await peer.hear_out() == "reset"
            else:
                assert (await TlsPeer.hear(peer, 4))[0] == 6


@pytest.mark.parametrize("protocol", RAW)
async def test_bytes_in_front_of_a_truncation_arrive(protocol: str) -> None:
    """In one go with the FIN, too many for one read."""
    async with reached(protocol) as (peer, backend):
        await peer.say(QUESTION)
        peer.fin()
        assert await heard_out(backend) == ("reset", QUESTION)


@pytest.mark.parametrize("protocol", RAW)
async def test_a_bare_fin_is_an_end_for_a_service_that_says_so(protocol: str) -> None:
    registry = CollectorRegistry()
    async with reached(protocol, registry=registry, accept_bare_fin=True) as (peer, backend):
        await peer.say(QUESTION)
        peer.fin()
        assert await heard_out(backend) == ("end", QUESTION)
        await backend.say(ANSWER)
        backend.finish()
        assert await peer.hear(len(ANSWER)) == ANSWER
        assert await peer.hear_out() == "close_notify"
        assert await peer.receive() == b""
    assert registry.get_sample_value("jackstay_bare_fins_total", {"direction": "inbound"}) == 1


async def test_a_fin_within_a_record_is_a_truncation_for_every_service() -> None:
    async with reached(accept_bare_fin=True) as (peer, backend):
        peer.tls.write(b"all of it")
        record = peer._outgoing.read()
        await asyncio.get_running_loop().sock_sendall(peer.sock, record[:-3])
        peer.fin()
        assert await heard_out(backend) == ("reset", b"")


@pytest.mark.parametrize(("end", "ending"), [("close_notify", "finished"), ("bare FIN", "tunnel_lost")])
async def test_each_connection_is_one_line_in_the_log(end: str, ending: str) -> None:
    with capture_logs() as lines:
        async with reached() as (peer, backend):
            await peer.say(MORE)
            await ENDS[end](peer)
            if (await heard_out(backend))[0] == "end":
                backend.finish()
            await last_words(peer)
    (closed,) = [line for line in lines if line["event"] == "connection.closed"]
    assert (closed["ending"], closed["received"], closed["sent"]) == (ending, len(MORE), 0)
    assert len(closed["id"]) == 32
