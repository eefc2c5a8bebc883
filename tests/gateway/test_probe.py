"""Asking a gateway over its real door: only an answer to a PING counts."""

import asyncio
import contextlib
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import CollectorRegistry

from gateway.current import Current
from gateway.inbound import Inbound
from gateway.lingering import Lingering
from gateway.listener import Listener, listening_socket
from gateway.metrics import DataPathMetrics
from gateway.probe import ProbeFailed, ping
from gateway.routes import NO_ROUTES
from gateway.settings import InboundSettings
from process.address import Address
from tests.support.pairs import CLIENT, GATEWAY
from tests.support.pki import Pki

PKI = Pki.make()
IDENTITY = PKI.identity(GATEWAY).dns_name
HERE = Address("127.0.0.1", 0)


async def asked(generation_pki: Pki, identity: str) -> float:
    """What a probe says of a gateway that lives, asked with a certificate of *generation_pki*."""
    metrics = DataPathMetrics(CollectorRegistry(), "inbound")
    with ThreadPoolExecutor(2) as threads:
        async with Lingering() as lingering:
            inbound = Inbound(
                InboundSettings(),
                generation=lambda: PKI.generation(GATEWAY),
                routes=Current(NO_ROUTES),
                threads=threads,
                lingering=lingering,
                metrics=metrics,
            )
            async with Listener(
                listening_socket(HERE),
                inbound.serve,
                most=10,
                refused=lambda refusal: metrics.refused(refusal.reason),
                failed=metrics.defect,
            ) as listener:
                generation = generation_pki.generation(CLIENT, bundle=PKI.bundle)
                return await ping(listener.address, identity, generation, timeout=10)


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
