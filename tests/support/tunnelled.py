"""
Both ends from files, as in DESIGN's "without a cluster": backend, gateway, outbound proxy, one machine.

    async with tunnelled(tmp_path) as way:
        reader, writer = await way.call()
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.pki import Paths, Pki
from tests.support.processes import Processes, Running, processes

GATEWAY = "jackstay-gateway.jackstay"
CLIENT = "web.test"
SERVICE = "podinfo.test.svc.cluster.local"
PORT = 9898

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Backend:
    """A TCP server in this process; it counts what it was asked."""

    handler: Handler
    address: str = ""
    connections: int = 0
    received: bytearray = field(default_factory=bytearray)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.add(writer)
        try:
            await self.handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the test says what it expects at the other end
        finally:
            self.writers.discard(writer)
            writer.close()


@asynccontextmanager
async def backend(handler: Handler, *, port: int = 0) -> AsyncIterator[Backend]:
    one = Backend(handler)
    server = await asyncio.start_server(one.serve, "127.0.0.1", port)
    host, port = server.sockets[0].getsockname()[:2]
    one.address = f"{host}:{port}"
    try:
        yield one
    finally:
        server.close()
        for writer in list(one.writers):
            writer.transport.abort()


@dataclass(slots=True)
class Way:
    """A whole way from an application to a backend."""

    directory: Path
    processes: Processes
    pki: Pki
    gateway_files: Paths
    client_files: Paths
    gateway: Running
    outbound: Running

    @property
    def entrance(self) -> tuple[str, int]:
        """Where applications connect to."""
        return _split(self.outbound.ready["listen"][0])

    @property
    def door(self) -> tuple[str, int]:
        """The gateway's port for peers."""
        return _split(self.gateway.ready["listen"])

    @property
    def gateway_admin(self) -> str:
        return str(self.gateway.ready["admin"])

    async def call(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection of an application."""
        return await asyncio.open_connection(*self.entrance, limit=2**20)

    async def echoes(self, word: bytes) -> None:
        """A new connection reaches a backend, which says *word* again."""
        reader, writer = await self.call()
        writer.write(word)
        assert await reader.readexactly(len(word)) == word
        writer.close()

    def write_routes(
        self, *endpoints: str, service: str = SERVICE, more: str = "", loopback: bool = True
    ) -> None:
        text = routes_toml(*endpoints, service=service, more=more, loopback=loopback)
        (self.directory / "routes.toml").write_text(text)


async def is_reset(entrance: tuple[str, int], said: bytes = b"") -> None:
    """Call *entrance*, say this, get a reset and nothing else: perhaps before we know we are connected."""
    with pytest.raises(ConnectionResetError):
        await _hear(entrance, said)


async def _hear(entrance: tuple[str, int], said: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*entrance)
    try:
        writer.write(said)
        return await reader.read()
    finally:
        writer.close()


def routes_toml(*endpoints: str, service: str = SERVICE, more: str = "", loopback: bool = True) -> str:
    listed = ", ".join(f'"{endpoint}"' for endpoint in endpoints)
    return (
        f'allow-loopback-backends = {"true" if loopback else "false"}\n[[export]]\nservice = "{service}"\n'
        f"port = {PORT}\nendpoints = [{listed}]\n{more}\n"
    )


def targets_toml(
    gateways: Sequence[str], identity: str, *, listen: str = "127.0.0.1:0", more: str = ""
) -> str:
    listed = ", ".join(f'"{gateway}"' for gateway in gateways)
    return (
        f'[[target]]\nlisten = "{listen}"\nservice = "{SERVICE}"\nport = {PORT}\n'
        f'gateways = [{listed}]\ngateway-identity = "{identity}"\n{more}\n'
    )


async def start_gateway(
    started: Processes, directory: Path, files: Paths, *flags: str, listen: str = "127.0.0.1:0"
) -> Running:
    routes = str(directory / "routes.toml")
    return await started.start(
        *("gateway", "--routes", routes, "--listen", listen, "--admin", "127.0.0.1:0"), *files.flags, *flags
    )


async def start_outbound(started: Processes, directory: Path, files: Paths, *flags: str) -> Running:
    targets = str(directory / "targets.toml")
    return await started.start(
        *("outbound", "--targets", targets, "--admin", "127.0.0.1:0"), *files.flags, *flags
    )


@asynccontextmanager
async def tunnelled(
    directory: Path,
    *endpoints: str,
    pki: Pki | None = None,
    routes: str = "",
    targets: str = "",
    gateway_flags: Sequence[str] = (),
    outbound_flags: Sequence[str] = (),
) -> AsyncIterator[Way]:
    """
    Gateway and outbound proxy as processes, exporting *endpoints*.

    *routes* and *targets* are further lines of the one export and the one target.
    """
    pki = pki or Pki.make()
    gateway_files = pki.leaf(GATEWAY).write(directory, "gateway")
    client_files = pki.leaf(CLIENT).write(directory, "client")
    (directory / "routes.toml").write_text(routes_toml(*endpoints, more=routes))
    async with processes(directory) as started:
        gateway = await start_gateway(started, directory, gateway_files, *gateway_flags)
        identity = pki.identity(GATEWAY).dns_name
        (directory / "targets.toml").write_text(
            targets_toml([gateway.ready["listen"]], identity, more=targets)
        )
        outbound = await start_outbound(started, directory, client_files, *outbound_flags)
        yield Way(directory, started, pki, gateway_files, client_files, gateway, outbound)


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)
