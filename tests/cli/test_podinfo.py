"""The demo's service: who answers, and bodies of any size."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from cli.podinfo import CHUNK, Greeting, chunks, serving
from process.address import Address

EAST = Greeting("podinfo-0", "1", "#34577c", "greetings from east")


@pytest_asyncio.fixture
async def address() -> AsyncIterator[Address]:
    async with serving(EAST, Address("127.0.0.1", 0)) as bound:
        yield bound


@pytest_asyncio.fixture
async def client(address: Address) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://{address}") as session:
        yield session


@pytest.mark.parametrize("total", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5])
def test_chunks_are_exactly_so_many_bytes(total: int) -> None:
    assert sum(map(len, chunks(total))) == total


def test_no_two_chunks_are_alike() -> None:
    assert len(set(chunks(5 * CHUNK))) == 5


async def test_the_greeting_says_who_answers(client: aiohttp.ClientSession) -> None:
    async with client.get("/") as answer:
        assert await answer.json() == {
            "hostname": "podinfo-0",
            "version": "1",
            "color": "#34577c",
            "message": "greetings from east",
        }


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_it_is_well(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as answer:
        assert answer.status == 200


async def test_bytes_come_with_their_length_and_the_same_each_time(client: aiohttp.ClientSession) -> None:
    total = 2 * CHUNK + 7
    async with client.get(f"/bytes/{total}") as answer:
        assert answer.headers["Content-Length"] == str(total)
        assert await answer.read() == b"".join(chunks(total))


async def test_a_head_has_the_length_and_no_body(client: aiohttp.ClientSession) -> None:
    async with client.head("/bytes/1000000") as answer:
        assert (answer.headers["Content-Length"], await answer.read()) == ("1000000", b"")


async def test_a_body_without_a_length_is_summed_up(client: aiohttp.ClientSession) -> None:
    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks(40 * CHUNK):
            yield chunk

    wanted = hashlib.sha256(b"".join(chunks(40 * CHUNK))).hexdigest()
    async with client.post("/sum", data=body()) as answer:
        assert await answer.json() == {"bytes": 40 * CHUNK, "sha256": wanted}


async def test_a_delay_is_as_long_as_asked(client: aiohttp.ClientSession) -> None:
    async with client.get("/delay/0.01") as answer:
        assert await answer.json() == {"delay": 0.01}


@pytest.mark.parametrize("path", ["/bytes/-1", "/bytes/x", "/bytes/99999999999999", "/delay/-1", "/nothing"])
async def test_what_makes_no_sense_is_not_found(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as answer:
        assert answer.status == 404


async def half_closed(address: Address, asked: bytes) -> bytes:
    """All that a client hears that says *asked* and then no more."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write(asked)
        writer.write_eof()
        async with asyncio.timeout(60):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("_", range(10))
async def test_a_client_that_half_closes_is_answered_and_then_let_go(address: Address, _: int) -> None:
    answer = await half_closed(address, b"GET /bytes/1000000 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert len(answer.partition(b"\r\n\r\n")[2]) == 1_000_000


@pytest.mark.parametrize("asked", [b"", b"GET / HT"])
async def test_a_client_that_half_closes_without_a_request_is_let_go(address: Address, asked: bytes) -> None:
    assert await half_closed(address, asked) == b""


async def test_an_answered_client_that_half_closes_is_let_go(address: Address) -> None:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    writer.write_eof()
    async with asyncio.timeout(60):
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
