"""A stream that broke on one side never ends regularly on the other, and what was sent before arrives."""

import asyncio
import signal
import socket
import struct
from pathlib import Path

import pytest

from tests.support.processes import until
from tests.support.tunnelled import backend, tunnelled

LINGER_RESET = struct.pack("ii", 1, 0)


def reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
    writer.transport.abort()


async def test_a_backends_reset_reaches_the_application_behind_its_data(tmp_path: Path) -> None:
    async def answers_and_breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(3)
        writer.write(b"part of an answer")
        await writer.drain()
        await reader.readexactly(3)  # the client has read it
        reset(writer)

    async with backend(answers_and_breaks) as one, tunnelled(tmp_path, one.address) as way:
        reader, writer = await way.call()
        writer.write(b"ask")
        assert await reader.readexactly(17) == b"part of an answer"
        writer.write(b"ack")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        (ended,) = await way.outbound.logged("connection.closed")
        assert (ended["ending"], ended["reason"]) == ("remote_reset", "backend_reset")
        (ended,) = await way.gateway.logged("connection.closed")
        assert (ended["ending"], ended["reason"]) == ("local_reset", "backend_reset")


async def test_an_applications_reset_reaches_the_backend(tmp_path: Path) -> None:
    seen: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def waits(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readexactly(1000)
        except ConnectionResetError:
            seen.set_result("reset")
        except asyncio.IncompleteReadError:
            seen.set_result("end")

    async with backend(waits) as one, tunnelled(tmp_path, one.address) as way:
        _, writer = await way.call()
        writer.write(b"x")
        await until(lambda: one.connections == 1, "the backend to be connected")
        reset(writer)
        assert await seen == "reset"


async def test_a_killed_gateway_is_a_reset_for_the_application(tmp_path: Path) -> None:
    async def greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await reader.read()

    async with backend(greets) as one, tunnelled(tmp_path, one.address) as way:
        reader, writer = await way.call()
        assert await reader.readexactly(5) == b"hello"
        way.gateway.signal(signal.SIGKILL)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        (ended,) = await way.outbound.logged("connection.closed")
        assert ended["ending"] == "tunnel_lost"


async def test_a_request_that_may_have_arrived_is_not_sent_twice(tmp_path: Path) -> None:
    requests: list[bytes] = []
    stuck = asyncio.Event()

    async def takes_and_says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readexactly(4))
        stuck.set()
        await reader.read()

    async with backend(takes_and_says_nothing) as one, tunnelled(tmp_path, one.address) as way:
        reader, writer = await way.call()
        writer.write(b"once")
        await stuck.wait()
        way.gateway.signal(signal.SIGKILL)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        assert requests == [b"once"]
