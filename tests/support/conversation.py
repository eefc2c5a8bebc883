"""Two ends of a tunnel with a stream between them: an application at one, a backend at the other."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.buffers import Buffers
from gateway.messages import Opening
from gateway.pump import Early, Outcome, Pump, PumpLimits
from gateway.tunnel import Tunnel
from tests.support.pairs import Local, local

USUAL = PumpLimits()


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until it is so."""
    while not condition():  # noqa: ASYNC110  # what is waited for has no Event
        await asyncio.sleep(0)


def opening() -> Opening:
    return Opening("podinfo.test.svc.cluster.local", 9898, secrets.token_hex(16))


@dataclass(slots=True)
class Stream:
    """One stream through a pair of tunnels, with an application and a backend at its ends."""

    application: Local
    backend: Local
    client: Pump
    server: Pump

    async def outcomes(self) -> tuple[Outcome, Outcome]:
        """How it ended at the client's end, and at the server's."""
        return await self.client.outcome, await self.server.outcome

    def stop(self) -> None:
        put_away(self.client, self.application)
        put_away(self.server, self.backend)


def put_away(pump: Pump, one: Local) -> None:
    """What the caller of a pump does in the end: stop it, close the wire."""
    pump.stop()
    pump._wire.reset()
    one.sock.close()


async def begin(client: Tunnel, limits: PumpLimits = USUAL, early: Early | None = None) -> tuple[Local, Pump]:
    application, wire = await local()
    pump = Pump(client, wire, Buffers(), limits)
    pump.start_client(opening(), early or Early())
    return application, pump


async def serve(server: Tunnel, limits: PumpLimits = USUAL) -> tuple[Local, Pump]:
    assert await server.next_opening()
    backend, wire = await local()
    pump = Pump(server, wire, Buffers(), limits)
    pump.start_server()
    return backend, pump


@asynccontextmanager
async def stream(client: Tunnel, server: Tunnel, limits: PumpLimits = USUAL) -> AsyncIterator[Stream]:
    application, client_pump = await begin(client, limits)
    backend, server_pump = await serve(server, limits)
    whole = Stream(application, backend, client_pump, server_pump)
    try:
        yield whole
    finally:
        whole.stop()
