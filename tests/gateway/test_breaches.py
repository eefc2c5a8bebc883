"""What a peer may not do on a tunnel, and what happens to it and to whoever is on the tunnel."""

import pytest

from gateway.frames import DATA_HEADER, Frame, FrameType, put_header
from gateway.pump import Ending
from gateway.refusals import PeerGone, ProtocolViolation, Reason
from gateway.tunnel import Tunnel
from tests.support.conversation import opening, stream
from tests.support.pairs import tunnel_pair
from tests.support.pki import Pki

PKI = Pki.make()


def data(payload: bytes) -> bytes:
    frame = memoryview(bytearray(4) + payload)
    put_header(frame, 0, DATA_HEADER | len(payload))
    return bytes(frame)


VIOLATIONS = {
    "an unknown type": b"\x63\0\0\0",
    "DATA without a stream": data(b"x"),
    "END without a stream": Frame(FrameType.END).encode(),
    "OPENED from the client": Frame(FrameType.OPENED).encode(),
    "GOAWAY from the client": Frame(FrameType.GOAWAY, bytes(8)).encode(),
    "PONG from the client": Frame(FrameType.PONG, b"x").encode(),
    "a payload on END": b"\x05\0\0\1x",
    "an empty DATA": b"\x04\0\0\0",
    "a DATA that is too long": b"\x04\x04\0\1",
    "an OPEN that is no JSON": Frame(FrameType.OPEN, b"{]").encode(),
    "an OPEN that is too long": b"\x01\0\x10\1",
    "a PING of 65 bytes": b"\x08\0\0\x41" + bytes(65),
    "a flood of PINGs": Frame(FrameType.PING, b"x").encode() * 17,
}


@pytest.mark.parametrize("wrong", VIOLATIONS.values(), ids=VIOLATIONS)
async def test_what_breaks_the_protocol_ends_the_tunnel(wrong: bytes) -> None:
    async with tunnel_pair(PKI) as (client, server):
        client._channel.send(memoryview(wrong))
        with pytest.raises(ProtocolViolation):
            await server.next_opening()
        assert isinstance(server.lost, ProtocolViolation)


class Ticks:
    """A clock of *tunnels* that goes on with each PING, and not by itself."""

    def __init__(self, *tunnels: Tunnel) -> None:
        self.at = 0.0
        for tunnel in tunnels:
            tunnel._now = lambda: self.at

    async def ping(self, tunnel: Tunnel, times: int, *, every: float) -> None:
        for _ in range(times):
            self.at += every
            await tunnel.ping()


async def test_pings_one_a_second_may_come_for_ever() -> None:
    async with tunnel_pair(PKI) as (client, server):
        await Ticks(client, server).ping(client, 100, every=1.0)
        assert server.lost is None


async def test_a_time_of_silence_allows_some_at_once_and_no_more_than_ever() -> None:
    async with tunnel_pair(PKI) as (client, server):
        ticks = Ticks(client, server)
        for _ in range(3):
            await ticks.ping(client, 1, every=1000.0)
            await ticks.ping(client, 15, every=0.0)
        with pytest.raises(PeerGone):
            await ticks.ping(client, 1, every=0.0)
        assert isinstance(server.lost, ProtocolViolation)


async def test_a_flood_that_never_ends_is_one_however_it_is_spread() -> None:
    """Eight a second: few enough at any time, and too many in the long run."""
    async with tunnel_pair(PKI) as (client, server):
        ticks = Ticks(client, server)
        with pytest.raises((PeerGone, ProtocolViolation)):
            await ticks.ping(client, 100, every=0.125)
        assert ticks.at < 5
        assert isinstance(server.lost, ProtocolViolation)


async def test_between_data_any_number_may_come() -> None:
    async with tunnel_pair(PKI) as (client, server), stream(client, server) as one:
        ticks = Ticks(client, server)
        for _ in range(10):
            await ticks.ping(client, 10, every=0.0)
            await one.application.say(b"x")
            assert await one.backend.hear(1) == b"x"
            await one.backend.say(b"y")
            assert await one.application.hear(1) == b"y"


async def test_a_violation_within_a_stream_resets_the_local_side() -> None:
    async with tunnel_pair(PKI) as (client, server), stream(client, server) as one:
        client._channel.send(memoryview(opening().encode().encode()))  # a second OPEN
        outcome = await one.server.outcome
        assert (outcome.ending, outcome.reason) == (Ending.TUNNEL_LOST, Reason.PROTOCOL)


async def test_a_peer_that_leaves_regularly_between_streams() -> None:
    async with tunnel_pair(PKI) as (client, server):
        client.close()
        with pytest.raises(PeerGone):
            await server.next_opening()


async def test_a_ping_is_not_answered_by_a_tunnel_that_is_gone() -> None:
    async with tunnel_pair(PKI) as (client, server):
        server.close()
        with pytest.raises(PeerGone):
            await client.ping()
