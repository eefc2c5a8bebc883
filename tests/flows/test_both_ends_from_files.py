"""Whoever has no cluster at hand uses two files and two processes; applications notice nothing."""

import asyncio
import hashlib
import random
from pathlib import Path

from tests.support.tunnelled import backend, tunnelled


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
    await reader.read()


async def digest_then_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says nothing before the client has said everything."""
    digest, count = hashlib.sha256(), 0
    while data := await reader.read(65536):
        digest.update(data)
        count += len(data)
    writer.write(f"{count} {digest.hexdigest()}".encode())
    await writer.drain()


async def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        reader, writer = await way.call()
        writer.write(b"question")
        assert await reader.readexactly(8) == b"question"
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        (inbound,) = await way.gateway.logged("connection.closed")
        (outbound,) = await way.outbound.logged("connection.closed")
        assert inbound["ending"] == outbound["ending"] == "finished"
        assert inbound["id"] == outbound["id"]
        assert (outbound["sent"], outbound["received"]) == (8, 8)


async def test_an_answer_after_the_half_close_arrives(tmp_path: Path) -> None:
    sent = random.Random(1).randbytes(5_000_000)
    async with backend(digest_then_answer) as one, tunnelled(tmp_path, one.address) as way:
        reader, writer = await way.call()
        writer.write(sent)
        writer.write_eof()
        answer = (await reader.read()).decode()
        assert answer == f"{len(sent)} {hashlib.sha256(sent).hexdigest()}"
        writer.close()


async def test_a_client_goes_on_after_the_backend_has_finished(tmp_path: Path) -> None:
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def speaks_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"all I have to say")
        writer.write_eof()
        heard.set_result(await reader.read())

    async with backend(speaks_first) as one, tunnelled(tmp_path, one.address) as way:
        reader, writer = await way.call()
        assert await reader.read() == b"all I have to say"
        writer.write(b"x" * 1_000_000)
        writer.write_eof()
        assert await heard == b"x" * 1_000_000
        writer.close()


async def test_bulk_in_both_directions_at_once_is_whole(tmp_path: Path) -> None:
    size, block = 64 * 2**20, random.Random(2).randbytes(2**20)
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        reader, writer = await way.call()

        async def feed() -> str:
            digest = hashlib.sha256()
            for _ in range(size // len(block)):
                digest.update(block)
                writer.write(block)
                await writer.drain()
            writer.write_eof()
            return digest.hexdigest()

        async def drink() -> str:
            digest = hashlib.sha256()
            while data := await reader.read(2**20):
                digest.update(data)
            return digest.hexdigest()

        sent, received = await asyncio.gather(feed(), drink())
        assert sent == received
        writer.close()


async def test_two_hundred_connections_at_once_are_all_served(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:

        async def converse(number: int) -> bool:
            reader, writer = await way.call()
            said = random.Random(number).randbytes(20_000)
            writer.write(said)
            writer.write_eof()
            answer = await reader.read()
            writer.close()
            return answer == said

        assert all(await asyncio.gather(*map(converse, range(200))))
        assert one.connections == 200
        await way.gateway.logged("connection.closed", count=200, ending="finished")
        assert len(way.gateway.events("connection.closed")) == 200


async def test_a_tunnel_is_used_again(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        for number in range(20):
            reader, writer = await way.call()
            writer.write(b"again")
            writer.write_eof()
            assert await reader.read() == b"again"
            writer.close()
            await way.gateway.logged("connection.closed", count=number + 1)
        sources = {event["source"] for event in way.gateway.events("connection.closed")}
        assert len(sources) <= 3  # the warm ones, and one that may have been dialled beside them
