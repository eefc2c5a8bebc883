"""
A load balancer between two ends, which can forget its connections without telling anybody, or be away.

    async with Relay(gateway) as relay:
        relay.forget()
        await relay.leave()
        await relay.come_back()
"""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from process.address import Address


class Relay:
    """Carries connections to *behind*, within the block."""

    def __init__(self, behind: Address) -> None:
        self._behind = behind
        self._server: asyncio.Server | None = None
        self._address: Address | None = None
        self._carrying: set[asyncio.Task[None]] = set()
        self._remembered: set[object] = set()
        self.connections = 0
        """How many there have been."""
        self.swallowed = 0
        """Bytes that came for connections that were forgotten."""

    @property
    def address(self) -> Address:
        """Where it is, or was before it left."""
        assert self._address is not None
        return self._address

    def forget(self) -> None:
        """What comes on the connections of now, from either side, leads nowhere any more."""
        self._remembered.clear()

    async def leave(self) -> None:
        """All connections end, and who asks for another is refused."""
        assert self._server is not None
        self._server.close()
        for task in self._carrying:
            task.cancel()
        if self._carrying:
            await asyncio.wait(self._carrying)

    async def come_back(self) -> None:
        """At the address where it was."""
        self._server = await asyncio.start_server(self._begin, self.address.host, self.address.port)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self._address = Address(host, port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._carry(reader, writer))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = object()
        self._remembered.add(connection)
        there, onward = await asyncio.open_connection(self._behind.host, self._behind.port)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass_on(connection, reader, onward))
                both.create_task(self._pass_on(connection, there, writer))
        finally:
            for one in (writer, onward):
                one.transport.abort()

    async def _pass_on(
        self, connection: object, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):  # one that is reset is said by several names
            while data := await source.read(65536):
                if connection in self._remembered:
                    sink.write(data)
                else:
                    self.swallowed += len(data)
            if connection in self._remembered:
                sink.write_eof()
