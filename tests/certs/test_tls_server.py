"""Certificates are replaced under connections that come and requests that run, and none is lost."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
import uvloop
from aiohttp import web

from certs.tls_server import TlsServer
from process.address import Address
from tests.support.pki import Pki

PKI = Pki.make()
NAME = "jackstay-identity.jackstay"
OLD, NEW = PKI.leaf(NAME), PKI.leaf(NAME)


class Slow:
    """An application whose answers wait until `go` is set."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self.app = web.Application()
        self.app.router.add_get("/slow", self._slow)
        self.app.router.add_get("/", self._quick)

    async def _slow(self, request: web.Request) -> web.Response:
        self.asked.set()
        await self.go.wait()
        return web.Response(text="done")

    async def _quick(self, request: web.Request) -> web.Response:
        return web.Response(text="quick")


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[TlsServer]:
    async with TlsServer(app, Address("127.0.0.1", 0)) as server:
        yield server


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=PKI.anchors_pem.decode())


async def leaf_shown(address: Address) -> bytes:
    """The certificate that a new handshake is shown."""
    _, writer = await asyncio.open_connection(
        address.host, address.port, ssl=trusting(), server_hostname=OLD.identity
    )
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    assert isinstance(shown, bytes)
    return shown


async def get(session: aiohttp.ClientSession, address: Address, path: str = "/") -> str:
    url = f"https://{address}{path}"
    async with session.get(url, ssl=trusting(), server_hostname=OLD.identity) as answer:
        return await answer.text()


async def test_until_there_is_a_certificate_connections_are_refused() -> None:
    async with served(Slow().app) as server:
        assert server.serving is False
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(server.address.host, server.address.port)
        server.show(OLD.credentials)
        assert (server.serving, await leaf_shown(server.address)) == (True, OLD.chain[0])


async def test_new_handshakes_see_the_new_certificate_and_requests_that_run_are_answered() -> None:
    slow = Slow()
    async with (
        served(slow.app) as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
    ):
        server.show(OLD.credentials)
        running = asyncio.create_task(get(session, server.address, "/slow"))
        await slow.asked.wait()
        server.show(NEW.credentials)
        assert await leaf_shown(server.address) == NEW.chain[0]
        slow.go.set()
        assert await running == "done"


async def test_a_connection_that_is_kept_open_goes_on() -> None:
    async with (
        served(Slow().app) as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session,
    ):
        server.show(OLD.credentials)
        assert await get(session, server.address) == "quick"
        server.show(NEW.credentials)
        assert await get(session, server.address) == "quick"


async def _under_load() -> None:
    async with (
        served(Slow().app) as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
    ):
        server.show(OLD.credentials)
        done = asyncio.Event()

        async def asking() -> int:
            count = 0
            while not done.is_set():
                assert await get(session, server.address) == "quick"
                count += 1
            return count

        asked = [asyncio.create_task(asking()) for _ in range(8)]
        for number in range(20):
            server.show((NEW if number % 2 else OLD).credentials)
            assert await leaf_shown(server.address) == (NEW if number % 2 else OLD).chain[0]
        done.set()
        assert all(count > 0 for count in await asyncio.gather(*asked))


async def test_twenty_changes_under_load_lose_no_request() -> None:
    await _under_load()


def test_the_same_on_the_loop_that_processes_run_on() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_under_load())


async def test_it_ends_with_requests_answered() -> None:
    slow = Slow()
    async with aiohttp.ClientSession() as session:
        async with served(slow.app) as server:
            server.show(OLD.credentials)
            running = asyncio.create_task(get(session, server.address, "/slow"))
            await slow.asked.wait()
            slow.go.set()
        assert await running == "done"
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(server.address.host, server.address.port)


async def test_only_tls_13_is_spoken_and_nothing_resumed() -> None:
    async with served(Slow().app) as server:
        server.show(OLD.credentials)
        old = trusting()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await asyncio.open_connection(
                server.address.host, server.address.port, ssl=old, server_hostname=OLD.identity
            )
        _, writer = await asyncio.open_connection(
            server.address.host, server.address.port, ssl=trusting(), server_hostname=OLD.identity
        )
        tls = writer.get_extra_info("ssl_object")
        assert (tls.version(), tls.session_reused) == ("TLSv1.3", False)
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00"])
async def test_who_ends_or_speaks_something_else_disturbs_nobody(sent: bytes) -> None:
    async with served(Slow().app) as server:
        server.show(OLD.credentials)
        for _ in range(20):
            _, writer = await asyncio.open_connection(server.address.host, server.address.port)
            writer.write(sent)
            writer.close()
            await writer.wait_closed()
        assert await leaf_shown(server.address) == OLD.chain[0]


async def test_an_address_that_is_taken_is_named() -> None:
    async with served(Slow().app) as server:
        server.show(OLD.credentials)
        with pytest.raises(OSError, match=f"^cannot listen on {server.address}: Address already in use$"):
            async with TlsServer(web.Application(), server.address):
                pass


@pytest.mark.parametrize("host", ["", "::1"])
async def test_it_listens_on_both_families_or_on_one(host: str) -> None:
    async with TlsServer(Slow().app, Address(host, 0)) as server:
        server.show(OLD.credentials)
        assert await leaf_shown(Address("::1", server.address.port)) == OLD.chain[0]
        if not host:
            assert await leaf_shown(Address("127.0.0.1", server.address.port)) == OLD.chain[0]
