"""Peers without frames at the gateway's door: what they may ask for, for how long, and what they hear."""

import asyncio
import hashlib
from contextlib import closing

import pytest
from structlog.testing import capture_logs

from gateway.proxy_protocol import SIGNATURE
from gateway.routes import Route, RouteTable
from gateway.settings import Deadlines, InboundSettings
from tests.support.gateways import open_gateway
from tests.support.pairs import CLIENT
from tests.support.raw_gateway import (
    IDENTITY,
    PKI,
    PORT,
    SERVICE,
    SNI,
    Backends,
    one_route,
    peer_of,
    reached,
    without_alpn,
)
from tests.support.tls_peer import LINKERD, PREFACE, TlsPeer, context, linkerd_header

HEADER = linkerd_header(SERVICE, PORT)
PAYLOAD = b"said at once"


def framed(message: bytes) -> bytes:
    return PREFACE + len(message).to_bytes(4, "big") + message


async def test_a_header_in_two_records_cut_anywhere_and_what_follows_arrives() -> None:
    tls = context(PKI, CLIENT)
    whole = HEADER + PAYLOAD
    with closing(Backends()) as backends:
        async with open_gateway(PKI, routes=one_route(backends.address)) as address:
            for cut in range(1, len(whole) + 1):
                peer = await TlsPeer.to(address, tls, IDENTITY)
                await peer.say(whole[:cut])
                if whole[cut:]:
                    await asyncio.sleep(0)
                    await peer.say(whole[cut:])
                backend = await backends.accept()
                assert await backend.hear(len(PAYLOAD)) == PAYLOAD
                await peer.end()
                assert await backend.hear_out() == "end"
                peer.sock.close()
                backend.sock.close()


async def test_a_flood_behind_the_header_waits_for_the_backend_and_is_whole() -> None:
    """Pipelined, more than is read at once; with the end behind it, and no answer awaited."""
    said = bytes(range(256)) * 8192
    with closing(Backends()) as backends:
        async with open_gateway(PKI, routes=one_route(backends.address)) as address:
            peer = await TlsPeer.to(address, context(PKI, CLIENT), IDENTITY)

            async def say() -> None:
                await peer.say(HEADER + said)
                await peer.finish()

            saying = asyncio.create_task(say())
            backend = await backends.accept()
            assert await backend.hear_out() == "end"
            assert hashlib.sha256(backend.heard).digest() == hashlib.sha256(said).digest()
            await saying
            await backend.say(PAYLOAD)
            backend.finish()
            assert await peer.hear_out() == "close_notify"
            assert peer.heard == PAYLOAD
            peer.sock.close()
            backend.sock.close()


@pytest.mark.parametrize("protocol", [LINKERD, SNI])
async def test_all_that_a_client_says_in_one_go_its_end_included(protocol: str) -> None:
    """It waits for nothing: header, payload and close_notify are there before there is a backend."""
    with closing(Backends()) as backends:
        async with open_gateway(PKI, routes=one_route(backends.address)) as address:
            if protocol == LINKERD:
                peer = await TlsPeer.to(address, context(PKI, CLIENT), IDENTITY)
                await peer.say_and_finish(HEADER + PAYLOAD)
            else:
                peer = await TlsPeer.to(address, without_alpn(), f"{PORT}.{SERVICE}")
                await peer.say_and_finish(PAYLOAD)
            backend = await backends.accept()
            assert await backend.hear_out() == "end"
            assert backend.heard == PAYLOAD
            await backend.say(b"and an answer")
            backend.finish()
            assert await peer.hear_out() == "close_notify"
            assert peer.heard == b"and an answer"
            peer.sock.close()
            backend.sock.close()


REFUSED = [
    ("no header", b"GET / HTTP/1.1\r\nHost: podinfo\r\n\r\n", "protocol"),
    ("no name", framed(b"\x08\xaa\x4d"), "protocol"),
    ("http1", linkerd_header(SERVICE, PORT, session=b"\x1a\x02\x0a\x00"), "protocol"),
    ("http2", linkerd_header(SERVICE, PORT, session=b"\x1a\x02\x12\x00"), "protocol"),
    ("an address", linkerd_header("10.1.2.3", PORT), "protocol"),
    ("a length over 64 KiB", PREFACE + b"\0\x01\0\x01", "protocol"),
    ("not exported", linkerd_header("secret.test.svc.cluster.local", PORT), "not_exported"),
    ("another port", linkerd_header(SERVICE, PORT + 1), "not_exported"),
    ("another cluster", linkerd_header("podinfo.test.svc.elsewhere", PORT), "not_exported"),
]


@pytest.mark.parametrize(("what", "sent", "reason"), REFUSED)
async def test_to_the_peer_all_refusals_are_the_same(what: str, sent: bytes, reason: str) -> None:
    """The end of the connection, without a byte, an alert or a close_notify: no empty answer."""
    with closing(Backends()) as backends, capture_logs() as lines:
        async with open_gateway(PKI, routes=one_route(backends.address)) as address:
            peer = await TlsPeer.to(address, context(PKI, CLIENT), IDENTITY)
            await peer.say(sent + PAYLOAD)
            assert await peer.hear_out() == "fin"
            assert not peer.heard
            peer.sock.close()
        assert nobody_came(backends)
    (told,) = [line for line in lines if line["event"] in ("header.refused", "connection.closed")]
    assert told["reason"] == reason, what


async def test_who_may_not_use_a_service_hears_what_a_stranger_to_it_hears() -> None:
    with closing(Backends()) as backends, capture_logs() as lines:
        route = Route(SERVICE, PORT, (backends.address,), allow=("*.ops.serviceaccount.identity.x.y",))
        async with open_gateway(PKI, routes=RouteTable.of([route], allow_loopback=True)) as address:
            for protocol in (LINKERD, SNI):
                peer = await peer_of(address, protocol)
                assert await peer.hear_out() == "fin"
                assert not peer.heard
                peer.sock.close()
        assert nobody_came(backends)
    told = [line["reason"] for line in lines if line["event"] == "connection.closed"]
    assert told == ["not_allowed", "not_allowed"]


async def test_a_service_named_by_sni_that_is_not_exported() -> None:
    with closing(Backends()) as backends, capture_logs() as lines:
        async with open_gateway(PKI, routes=one_route(backends.address)) as address:
            peer = await TlsPeer.to(address, without_alpn(), f"{PORT}.secret.test.svc.cluster.local")
            assert await peer.hear_out() == "fin"
            assert not peer.heard
            peer.sock.close()
    (closed,) = [line for line in lines if line["event"] == "connection.closed"]
    assert (closed["reason"], closed["service"]) == (
        "not_exported",
        f"secret.test.svc.cluster.local:{PORT}",
    )


@pytest.mark.parametrize("sent", [b"", HEADER[:-1]])
async def test_a_header_has_a_deadline(sent: bytes) -> None:
    settings = InboundSettings(deadlines=Deadlines(transport_header=0.2))
    with capture_logs() as lines:
        async with open_gateway(PKI, settings) as address:
            peer = await TlsPeer.to(address, context(PKI, CLIENT), IDENTITY)
            if sent:
                await peer.say(sent)
            assert await peer.hear_out() == "fin"
            assert not peer.heard
            peer.sock.close()
    (refused,) = [line for line in lines if line["event"] == "header.refused"]
    assert refused["reason"] == "timeout"


async def test_who_ends_within_the_header_is_no_news() -> None:
    with capture_logs() as lines:
        async with open_gateway(PKI) as address:
            peer = await TlsPeer.to(address, context(PKI, CLIENT), IDENTITY)
            await peer.say(HEADER[:-1])
            await peer.finish()
            assert await peer.hear_out() == "fin"
            peer.sock.close()
    (refused,) = [line for line in lines if line["event"] == "header.refused"]
    assert (refused["reason"], refused["log_level"]) == ("peer_reset", "debug")


@pytest.mark.parametrize("protocol", [LINKERD, SNI])
async def test_a_backend_that_wants_to_know_is_told_who_calls(protocol: str) -> None:
    async with reached(protocol, proxy_protocol=True) as (peer, backend):
        await peer.say(PAYLOAD)
        assert await backend.hear(len(SIGNATURE)) == SIGNATURE
        fixed = await backend.hear(4)
        told = await backend.hear(int.from_bytes(fixed[2:], "big"))
        assert PKI.identity(CLIENT).dns_name.encode() in told
        assert await backend.hear(len(PAYLOAD)) == PAYLOAD


async def test_a_backend_that_speaks_first_is_heard() -> None:
    async with reached(SNI) as (peer, backend):
        await backend.say(b"220 ready\r\n")
        assert await peer.hear(11) == b"220 ready\r\n"


def nobody_came(backends: Backends) -> bool:
    try:
        sock, _ = backends.sock.accept()
    except BlockingIOError:
        return True
    sock.close()
    return False
