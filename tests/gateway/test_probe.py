"""Asking a gateway over its real door: only an answer to a PING counts."""

import asyncio
import contextlib
import socket

import pytest

from gateway.probe import ProbeFailed, ping
from process.address import Address
from tests.support.gateways import open_gateway
from tests.support.pairs import CLIENT, GATEWAY
from tests.support.pki import Pki

PKI = Pki.make()
IDENTITY = PKI.identity(GATEWAY).dns_name


async def asked(generation_pki: Pki, identity: str) -> float:
    """What a probe says of a gateway that lives, asked with a certificate of *generation_pki*."""
    async with open_gateway(PKI) as address:
        return await ping(address, identity, generation_pki.generation(CLIENT, bundle=PKI.bundle), timeout=10)


async def test_a_living_gateway_answers() -> None:
    assert 0 < await asked(PKI, IDENTITY) < 10


async def test_a_gateway_of_another_name_does_not_count() -> None:
    with pytest.raises(ProbeFailed, match=r"and not somebody\.else"):
        await asked(PKI, PKI.identity("somebody.else").dns_name)


async def test_to_be_let_in_counts_and_not_the_handshake_alone() -> None:
    """In TLS 1.3 the client has finished before the server refuses its certificate."""
    with pytest.raises(ProbeFailed, match="ended the handshake: it does not know the authority"):
        await asked(Pki.make(), IDENTITY)


async def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = Address("127.0.0.1", free.getsockname()[1])
        with pytest.raises(ProbeFailed, match=r"^Connection refused$"):
            await ping(address, IDENTITY, PKI.generation(CLIENT), timeout=5)


async def test_silence_has_a_deadline() -> None:
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionResetError):
            await reader.read()
        writer.close()
        gone.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    address = Address("127.0.0.1", server.sockets[0].getsockname()[1])
    with pytest.raises(ProbeFailed, match=r"no answer within 0\.1 s"):
        await ping(address, IDENTITY, PKI.generation(CLIENT), timeout=0.1)
    await gone.wait()
    server.close()
    await server.wait_closed()
