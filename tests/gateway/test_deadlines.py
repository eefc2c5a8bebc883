"""Who takes nothing, says nothing or never ends has a deadline: at the gateway, and at the client's end."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.pump import PumpLimits
from gateway.settings import Deadlines, InboundSettings, OutboundSettings
from tests.support.callers import calling
from tests.support.gateways import open_gateway
from tests.support.pairs import CLIENT, Local
from tests.support.processes import PATIENCE, until
from tests.support.raw_gateway import IDENTITY, PKI, PORT, SERVICE, Backends, Tunnelled, one_route
from tests.support.tls_peer import TlsPeer, context

BULK = bytes(64 * 1024 * 1024)  # far more than all sockets on the way take
SOON = PumpLimits(half_closed=0.4, stalled=0.2)
"""Looked at every 0.1 s."""

CALM = PumpLimits()
Lines = list[MutableMapping[str, Any]]


@asynccontextmanager
async def through(
    *, gateway: PumpLimits = CALM, client: PumpLimits = CALM
) -> AsyncIterator[tuple[Local, Local, Lines]]:
    """An application, the backend that it has reached, and the log of both ends of ours."""
    inbound = InboundSettings(deadlines=Deadlines(pump=gateway))
    outbound = OutboundSettings(allow_loopback=True, deadlines=Deadlines(pump=client))
    with capture_logs() as lines, closing(Backends()) as backends:
        async with (
            asyncio.timeout(PATIENCE),
            open_gateway(PKI, inbound, routes=one_route(backends.address)) as door,
            calling(PKI, door, settings=outbound) as caller,
        ):
            application = await caller.call()
            backend = await backends.accept()
            try:
                yield application, backend, lines
            finally:
                backend.break_off()  # so that nothing runs on when the test has failed


async def say_all(one: Local) -> None:
    with contextlib.suppress(OSError):
        await one.say(BULK)


def ends(lines: Lines, direction: str) -> list[tuple[str, str]]:
    return [
        (line["ending"], line["reason"])
        for line in lines
        if line["event"] == "connection.closed" and line["direction"] == direction
    ]


@pytest.mark.parametrize("who_reads_nothing", ["application", "backend"])
@pytest.mark.parametrize("end", ["inbound", "outbound"])
async def test_who_takes_nothing_of_what_waits_is_cut_off(end: str, who_reads_nothing: str) -> None:
    """Whichever side it is, and whichever end of ours has the patience of the two."""
    limits = {"gateway": SOON} if end == "inbound" else {"client": SOON}
    async with through(**limits) as (application, backend, lines):
        speaker = backend if who_reads_nothing == "application" else application
        speaking = asyncio.create_task(say_all(speaker))
        await until(lambda: ends(lines, end), f"the {end} end to lose its patience")
        assert ends(lines, end) == [("timed_out", "timeout")]
        await speaking  # it is told, by a reset


@pytest.mark.parametrize("who_never_ends", ["application", "backend"])
@pytest.mark.parametrize("end", ["inbound", "outbound"])
async def test_who_never_ends_behind_the_others_end_is_cut_off(end: str, who_never_ends: str) -> None:
    limits = {"gateway": SOON} if end == "inbound" else {"client": SOON}
    async with through(**limits) as (application, backend, lines):
        (backend if who_never_ends == "application" else application).finish()
        patient = application if who_never_ends == "application" else backend
        assert await patient.hear_out() == "end"
        await until(lambda: ends(lines, end), f"the {end} end to lose its patience")
        assert ends(lines, end) == [("timed_out", "timeout")]


@asynccontextmanager
async def tunnelled(deadlines: Deadlines) -> AsyncIterator[tuple[Tunnelled, Lines]]:
    """A peer with a tunnel to a gateway that exports nothing."""
    with capture_logs() as lines:
        async with (
            asyncio.timeout(PATIENCE),
            open_gateway(PKI, InboundSettings(deadlines=deadlines)) as door,
        ):
            peer = await Tunnelled.to(door, context(PKI, CLIENT, alpn=("jackstay/1",)), IDENTITY)
            yield peer, lines
            peer.sock.close()


def closed(lines: Lines) -> list[str]:
    return [line["reason"] for line in lines if line["event"] == "tunnel.closed"]


async def test_a_tunnel_whose_client_never_says_a_frame() -> None:
    async with tunnelled(Deadlines(first_frame=0.1)) as (peer, lines):
        assert await peer.hear_out() == "close_notify"
        await until(lambda: closed(lines), "the line")
        assert closed(lines) == ["timeout"]


async def test_a_tunnel_whose_client_falls_silent() -> None:
    async with tunnelled(Deadlines(first_frame=0.5, silence=0.1)) as (peer, lines):
        await TlsPeer.say(peer, b"\x08\0\0\x01p")
        assert await TlsPeer.hear(peer, 5) == b"\x09\0\0\x01p"
        assert await peer.hear_out() == "close_notify"
        await until(lambda: closed(lines), "the line")
        assert closed(lines) == ["timeout"]


async def test_who_has_no_last_word_after_a_refusal() -> None:
    async with tunnelled(Deadlines(refused=0.1)) as (peer, lines):
        body = json.dumps({"service": SERVICE, "port": PORT, "id": "ab" * 16}).encode()
        await TlsPeer.say(peer, b"\x01" + len(body).to_bytes(3, "big") + body)
        assert await peer.hear_out() == "close_notify"
        assert peer.heard[0] == 3
        await until(lambda: closed(lines), "the line")
        assert closed(lines) == ["timeout"]
