"""The client's end towards a Linkerd gateway: the header, the ends, and when another gateway is tried."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from tests.support import callers
from tests.support.callers import Caller
from tests.support.linkerd_gateway import LinkerdGateway
from tests.support.pairs import GATEWAY, Local
from tests.support.pki import Pki
from tests.support.tls_peer import LINKERD, TlsPeer

PKI = Pki.make()
IDENTITY = PKI.identity(GATEWAY).dns_name
MESSAGE = bytes.fromhex("08aa4d121e") + b"podinfo.test.svc.cluster.local"
"""The golden vector of port 9898, without a session protocol."""

QUESTION = bytes(range(256)) * 1200
ANSWER = bytes(reversed(range(256))) * 900


@asynccontextmanager
async def calling(*gateways: LinkerdGateway) -> AsyncIterator[Caller]:
    """An outbound proxy that knows *gateways*."""
    addresses = (gateway.address for gateway in gateways)
    async with callers.calling(PKI, *addresses, protocol=LINKERD) as caller:
        yield caller


@asynccontextmanager
async def one_call() -> AsyncIterator[tuple[Local, TlsPeer]]:
    async with LinkerdGateway(PKI) as gateway, calling(gateway) as caller:
        application = await caller.call()
        peer, message = await gateway.called()
        assert message == MESSAGE
        yield application, peer


async def test_the_header_names_the_service_and_the_handshake_the_gateway() -> None:
    async with LinkerdGateway(PKI) as gateway, calling(gateway) as caller:
        application = await caller.call()
        peer, message = await gateway.called()
        assert message == MESSAGE
        assert gateway.server_names == [IDENTITY]
        assert peer.tls.selected_alpn_protocol() == LINKERD
        await application.say(QUESTION)
        assert await peer.hear(len(QUESTION)) == QUESTION
        assert gateway.nobody_waits(), "no tunnel is kept warm to whom does not speak of tunnels"


@pytest.mark.parametrize("first", ["application", "gateway"])
async def test_each_direction_ends_by_itself(first: str) -> None:
    async with one_call() as (application, peer):
        if first == "application":
            await application.say(QUESTION)
            application.finish()
            assert await peer.hear(len(QUESTION)) == QUESTION
            assert await peer.hear_out() == "close_notify"
            await peer.say(ANSWER)
            await peer.end()
            assert await application.hear_out() == "end"
            assert application.heard == ANSWER
        else:
            await peer.say(ANSWER)
            await peer.end()
            assert await application.hear_out() == "end"
            assert application.heard == ANSWER
            await application.say(QUESTION)
            application.finish()
            assert await peer.hear(len(QUESTION)) == QUESTION
            assert await peer.hear_out() == "close_notify"
        assert not peer.heard
        assert await peer.receive() == b""


@pytest.mark.parametrize("way", ["bare FIN", "RST"])
async def test_a_gateway_that_breaks_off_is_a_reset_behind_its_data(way: str) -> None:
    async with one_call() as (application, peer):
        await application.say(b"go on")
        assert await peer.hear(5) == b"go on"
        await peer.say(ANSWER)
        if way == "RST":
            assert await application.hear(len(ANSWER)) == ANSWER
            peer.break_off()
            assert await application.hear_out() == "reset"
        else:
            peer.fin()
            assert await application.hear_out() == "reset"
            assert application.heard == ANSWER


async def test_an_applications_reset_is_one_for_the_gateway() -> None:
    async with one_call() as (application, peer):
        await application.say(QUESTION)
        assert await peer.hear(len(QUESTION)) == QUESTION
        application.break_off()
        assert await peer.hear_out() == "reset"


async def test_before_a_byte_was_said_another_gateway_is_tried() -> None:
    async with LinkerdGateway(PKI) as one, LinkerdGateway(PKI) as other, calling(one, other) as caller:
        application = await caller.call()
        first, second = asyncio.create_task(one.called()), asyncio.create_task(other.called())
        done, waiting = await asyncio.wait((first, second), return_when=asyncio.FIRST_COMPLETED)
        done.pop().result()[0].break_off()
        peer, message = await waiting.pop()
        assert message == MESSAGE
        await application.say(QUESTION)
        assert await peer.hear(len(QUESTION)) == QUESTION


@pytest.mark.parametrize("way", ["bare FIN", "RST"])
async def test_a_byte_that_was_said_is_never_said_to_another_gateway(way: str) -> None:
    async with LinkerdGateway(PKI) as one, LinkerdGateway(PKI) as other, calling(one, other) as caller:
        application = await caller.call()
        first, second = asyncio.create_task(one.called()), asyncio.create_task(other.called())
        done, waiting = await asyncio.wait((first, second), return_when=asyncio.FIRST_COMPLETED)
        peer, _ = done.pop().result()
        await application.say(b"x")
        assert await peer.hear(1) == b"x"
        if way == "RST":
            peer.break_off()
        else:
            peer.fin()
        assert await application.hear_out() == "reset"
        await asyncio.gather(*caller.serving)
        pending = waiting.pop()
        assert not pending.done()
        pending.cancel()
        assert one.nobody_waits()
        assert other.nobody_waits()


async def test_an_answer_that_was_begun_is_not_begun_again_elsewhere() -> None:
    """Nothing was said, but the application has heard something."""
    async with LinkerdGateway(PKI) as gateway, calling(gateway) as caller:
        application = await caller.call()
        peer, _ = await gateway.called()
        await peer.say(b"220 ready")
        assert await application.hear(9) == b"220 ready"
        peer.break_off()
        assert await application.hear_out() == "reset"
        assert not application.heard
        assert gateway.nobody_waits()


async def test_a_gateway_that_has_not_selected_the_protocol_gets_no_byte() -> None:
    """It would take raw bytes for whatever it likes: here TLS is complete, and nothing follows."""
    with capture_logs() as lines:
        async with LinkerdGateway(PKI, alpn=()) as gateway, calling(gateway) as caller:
            application = await caller.call()
            await application.say(b"for nobody")
            peer = await gateway.accept()
            assert peer.tls.selected_alpn_protocol() is None
            assert await peer.hear_out() != "close_notify"
            assert not peer.heard
            assert await application.hear_out() == "reset"
            await asyncio.gather(*caller.serving)
    (closed,) = [line for line in lines if line["event"] == "connection.closed"]
    assert (closed["ending"], closed["reason"]) == ("refused", "protocol")
    assert LINKERD in closed["message"]
