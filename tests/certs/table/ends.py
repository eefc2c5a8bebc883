"""
A gateway and an outbound proxy in this process, over real sockets, to which an `Example` is shown.

What they let in, and what they say of what they do not, is `Seen`; behind both somebody counts bytes.
"""

import asyncio
import contextlib
from collections.abc import Iterable, MutableMapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from certs.credentials import Credentials
from certs.generation import Generation
from certs.trust_bundle import TrustBundle
from gateway.current import Current
from gateway.frames import Frame, FrameType
from gateway.handshake_queue import HandshakeThreads
from gateway.lingering import Lingering
from gateway.messages import Opening
from gateway.metrics import DataPathMetrics
from gateway.outbound import Outbound
from gateway.routes import Route, RouteTable, Target
from gateway.settings import OutboundSettings, PoolSettings
from process.address import Address
from tests.certs.table.example import Example, Role
from tests.support.bare_tls import BareTls, Ended
from tests.support.gateways import open_inbound
from tests.support.pairs import CLIENT, local
from tests.support.pki import ALPN, Pki
from tests.support.tunnelled import PORT, SERVICE, backend

SECRET = b"for nobody else"
OPENING = Opening(SERVICE, PORT, "0" * 32).encode()


@dataclass(frozen=True)
class Seen:
    """What came of showing an example to an end."""

    let_in: bool
    alert: int | None
    """What the end said to the one who showed it."""
    reached: int
    """Bytes that came where they must not, or for a good one must."""
    said: tuple[tuple[str, str], ...]
    """The end's own reasons and sentences, in its log."""
    counted: dict[str, float]
    """Its handshakes, by result."""


@lru_cache(maxsize=1)
def pki() -> Pki:
    return Pki.make()


@lru_cache(maxsize=2)
def _ours(name: str) -> Credentials:
    return pki().leaf(name).credentials


def _generation(name: str, anchors: bytes) -> Generation:
    bundle = TrustBundle.from_pem(anchors)
    return Generation.build(1, _ours(name), bundle, alpn_server=ALPN, alpn_client=ALPN[:1])


async def show(example: Example, role: Role, *, allowed: str = "") -> Seen:
    """
    Show *example* as a client to a gateway, or as a server to an outbound proxy.

    The gateway's service is for everybody, or for *allowed* alone.
    """
    with capture_logs() as lines:
        if role == "client":
            return await _to_gateway(example, lines, allowed)
        return await _to_outbound(example, lines)


async def _to_gateway(example: Example, lines: list[MutableMapping[str, Any]], allowed: str) -> Seen:
    reached = 0
    there = asyncio.Event()

    async def sentinel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal reached
        while data := await reader.read(65536):
            reached += len(data)
            there.set()

    registry = CollectorRegistry()
    async with backend(sentinel) as one:
        allow = (allowed,) if allowed else None
        route = Route(SERVICE, PORT, (Address.parse(one.address),), allow)
        routes = RouteTable.of([route], allow_loopback=True)
        bundle = TrustBundle.from_pem(example.anchors)
        async with open_inbound(pki(), routes=routes, registry=registry, bundle=bundle) as (_, listener):
            peer = await BareTls.to(listener.address, example.shown)
            let_in, alert = False, None
            try:
                await peer.shake_hands()
                await peer.say(OPENING.encode() + Frame(FrameType.DATA, SECRET).encode())
                let_in = (await peer.hear())[0] == FrameType.OPENED
                if let_in:
                    await there.wait()
            except Ended as end:
                alert = end.alert
            finally:
                peer.close()
    return Seen(let_in, alert, reached, _said(lines, "peer.refused", "connection.closed"), _counted(registry))


async def _to_outbound(example: Example, lines: list[MutableMapping[str, Any]]) -> Seen:
    reached, let_in, alert = 0, False, None
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal reached, let_in, alert
        peer = BareTls(reader, writer, example.shown, server=True)
        try:
            await peer.shake_hands()
            while True:
                data = await peer.hear()
                let_in = True
                reached += len(data)
                if data[0] == FrameType.PING:
                    await peer.say(bytes((FrameType.PONG,)) + data[1:])
                elif data.endswith(SECRET):
                    break
        except Ended as end:
            alert = end.alert
        finally:
            writer.transport.abort()
            over.set()

    registry = CollectorRegistry()
    async with AsyncExitStack() as stack:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        stack.callback(server.close)
        host, port = server.sockets[0].getsockname()[:2]
        generation = _generation(CLIENT, example.anchors)
        outbound = await stack.enter_async_context(
            Outbound(
                OutboundSettings(allow_loopback=True, pool=PoolSettings(warm=0), tries=1),
                generation=Current(generation),
                threads=stack.enter_context(HandshakeThreads(1)),
                lingering=await stack.enter_async_context(Lingering()),
                metrics=DataPathMetrics(registry, "outbound"),
            )
        )
        application, wire = await local()
        target = Target(SERVICE, PORT, (Address(host, port),), example.identity)
        await application.say(SECRET)
        await outbound.serve(wire, target)
        await over.wait()
        with contextlib.suppress(OSError):
            application.break_off()
    return Seen(let_in, alert, reached, _said(lines, "connection.closed"), _counted(registry))


def _said(lines: Iterable[MutableMapping[str, Any]], *events: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (str(line["reason"]), str(line["message"]))
        for line in lines
        if line["event"] in events and line.get("reason")
    )


def _counted(registry: CollectorRegistry) -> dict[str, float]:
    return {
        sample.labels["result"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "jackstay_handshakes_total" and sample.value
    }
