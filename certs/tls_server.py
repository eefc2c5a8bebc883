"""
HTTP over TLS whose certificate is replaced while it runs.

An SSLContext is never changed, and that of an asyncio server is fixed when it begins; to exchange the server
loses connections that it has accepted and not yet taken up. So we accept ourselves: each connection gets the
context that holds at that moment, and what was accepted before goes on undisturbed.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Coroutine
from types import TracebackType
from typing import NoReturn, Self

import structlog
from aiohttp import web

from certs.credentials import Credentials
from certs.generation import one_sided
from process.address import Address
from process.sockets import bound

log = structlog.get_logger()

BACKLOG = 1024
MOST_CONNECTIONS = 4096
"""Those that are in a handshake included; the next one is closed."""

HANDSHAKE = 10.0
"""Seconds."""

_BREATH = 0.1
"""Seconds after which to accept again when the system has no descriptors left."""


class TlsServer:
    """
    Serves *application* at *listen* once there is a certificate to show; an async context manager.

    Entering it binds the address, and raises OSError with a sentence if that cannot be. Until `show`
    connections are refused. Leaving it lets requests that run end for some seconds.
    """

    def __init__(self, application: web.Application, listen: Address) -> None:
        self.address = listen
        """Where it listens; the port as bound once the block is entered."""

        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=5.0)
        self._tasks = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()
        self._tls: ssl.SSLContext | None = None
        self._socket: socket.socket

    async def __aenter__(self) -> Self:
        self._socket = bound(self.address)
        try:
            await self._runner.setup()
        except BaseException:
            self._socket.close()
            raise
        await self._tasks.__aenter__()
        self.address = Address(self.address.host, self._socket.getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in list(self._running):
            task.cancel()
        try:
            await self._tasks.__aexit__(kind, error, trace)
        finally:
            self._socket.close()
            await self._runner.cleanup()

    @property
    def serving(self) -> bool:
        """Whether there is a certificate to show."""
        return self._tls is not None

    def show(self, credentials: Credentials) -> None:
        """Use *credentials* for each connection that is accepted from now on."""
        first = self._tls is None
        self._tls = one_sided(credentials)
        if first:
            self._socket.listen(BACKLOG)
            self._start(self._accept())

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _accept(self) -> NoReturn:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._socket)
            except OSError as error:  # no descriptors left, or the peer has gone already
                log.warning("identity.not_accepted", error=str(error))
                await asyncio.sleep(_BREATH)
                continue
            server = self._runner.server
            assert server is not None
            if len(self._running) + len(server.connections) > MOST_CONNECTIONS:
                connection.close()
                continue
            assert self._tls is not None
            self._start(self._take_up(connection, self._tls))

    async def _take_up(self, connection: socket.socket, tls: ssl.SSLContext) -> None:
        """The handshake; then the connection is the HTTP server's."""
        server = self._runner.server
        assert server is not None
        with contextlib.suppress(OSError):  # ssl.SSLError and TimeoutError are among them
            await asyncio.get_running_loop().connect_accepted_socket(
                server, connection, ssl=tls, ssl_handshake_timeout=HANDSHAKE
            )
