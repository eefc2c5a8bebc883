"""Each class of refusal over a real door: what the other end hears, the log says and a metric counts."""

import asyncio
import inspect
import json
import socket
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from certs.generation import Generation
from certs.revocation import Revocations
from gateway import dial as dialling
from gateway import handshake, refusals
from gateway.connecting import connect
from gateway.handshake_queue import HandshakeThreads
from gateway.refusals import (
    AnotherServer,
    BackendUnreachable,
    Crowded,
    Defect,
    Distrusted,
    Draining,
    NoEndpoint,
    NotAllowed,
    NotExported,
    OverLimit,
    PeerGone,
    PeerRevoked,
    PeerUntrusted,
    ProtocolViolation,
    Reason,
    Refused,
    TooSlow,
)
from gateway.routes import Route, RouteTable
from gateway.settings import Deadlines, InboundSettings
from gateway.wire import Wire
from process.address import Address
from tests.support.callers import calling
from tests.support.crl import crl
from tests.support.gateways import open_inbound
from tests.support.pairs import CLIENT, GATEWAY
from tests.support.pki import Pki
from tests.support.processes import PATIENCE, until
from tests.support.raw_gateway import IDENTITY, PKI, PORT, SERVICE, Backends, Tunnelled, one_route
from tests.support.tls_peer import TlsPeer, context

T = TypeVar("T")
STRANGER = Pki.make()
OPEN = json.dumps({"service": SERVICE, "port": PORT, "id": "ab" * 16}).encode()


@dataclass(frozen=True, slots=True)
class Seen:
    """Where a refusal shows."""

    direction: str
    event: str
    """The line in the log."""

    heard: str | None = None
    """The reason that the peer was told, where there is a frame for it."""


Provoked = Callable[[CollectorRegistry, pytest.MonkeyPatch], AbstractAsyncContextManager[Seen]]


class Full(HandshakeThreads):
    """Threads with more to do than they can."""

    async def run(self, work: Callable[[], T], *, begun: bool) -> T:
        raise Crowded("it has waited 1 s for its turn")


async def refused(address: Address) -> Seen:
    """A peer of ours asks for the service, and hears why not."""
    peer = await Tunnelled.to(address, context(PKI, CLIENT, alpn=("jackstay/1",)), IDENTITY)
    try:
        await TlsPeer.say(peer, b"\x01" + len(OPEN).to_bytes(3, "big") + OPEN)
        return Seen("inbound", "connection.closed", await refusal(peer))
    finally:
        peer.sock.close()


async def refusal(peer: TlsPeer) -> str:
    """The reason in the REFUSED frame that comes, perhaps behind GOAWAY."""
    while True:
        header = await TlsPeer.hear(peer, 4)
        payload = await TlsPeer.hear(peer, int.from_bytes(header[1:], "big"))
        if header[0] == 3:
            return str(json.loads(payload)["reason"])
        assert header[0] == 7, header


def asked(routes: RouteTable, settings: InboundSettings | None = None) -> Provoked:
    """A peer asks a gateway with these routes."""

    @asynccontextmanager
    async def provoked(registry: CollectorRegistry, _: pytest.MonkeyPatch) -> AsyncIterator[Seen]:
        async with open_inbound(PKI, settings, routes=routes, registry=registry) as (_inbound, listener):
            yield await refused(listener.address)

    return provoked


@asynccontextmanager
async def draining(registry: CollectorRegistry, _: pytest.MonkeyPatch) -> AsyncIterator[Seen]:
    async with open_inbound(PKI, registry=registry) as (inbound, listener):
        inbound.close()
        yield await refused(listener.address)


def knocked(said: bytes, settings: InboundSettings | None = None) -> Provoked:
    """A stranger says so much, and then nothing, or leaves."""

    @asynccontextmanager
    async def provoked(registry: CollectorRegistry, _: pytest.MonkeyPatch) -> AsyncIterator[Seen]:
        async with open_inbound(PKI, settings, registry=registry) as (_inbound, listener):
            with socket.create_connection((listener.address.host, listener.address.port)) as stranger:
                stranger.sendall(said)
                if said == LEAVES:
                    stranger.close()
                yield Seen("inbound", "peer.refused")

    return provoked


@asynccontextmanager
async def called(
    seen: Seen,
    registry: CollectorRegistry,
    *,
    generation: Generation | None = None,
    gateway: str = GATEWAY,
    threads: HandshakeThreads | None = None,
) -> AsyncIterator[Seen]:
    """An outbound proxy that calls the gateway *gateway*, on behalf of an application."""
    ours = registry if seen.direction == "inbound" else None
    theirs = registry if seen.direction == "outbound" else None
    async with (
        open_inbound(PKI, registry=ours, threads=threads) as (_, listener),
        calling(PKI, listener.address, generation=generation, gateway=gateway, registry=theirs) as caller,
    ):
        await caller.call()
        yield seen


AT_THE_GATEWAY = Seen("inbound", "peer.refused")
AT_THE_CLIENT = Seen("outbound", "connection.closed")


def crowded(registry: CollectorRegistry, _: pytest.MonkeyPatch) -> AbstractAsyncContextManager[Seen]:
    return called(AT_THE_GATEWAY, registry, threads=Full(1))


def strange(registry: CollectorRegistry, _: pytest.MonkeyPatch) -> AbstractAsyncContextManager[Seen]:
    return called(AT_THE_GATEWAY, registry, generation=STRANGER.generation(CLIENT, bundle=PKI.bundle))


def revoked(registry: CollectorRegistry, _: pytest.MonkeyPatch) -> AbstractAsyncContextManager[Seen]:
    lists = Revocations.read(crl(PKI.root, PKI.issuer.certificate.serial_number) + crl(PKI.issuer))
    return called(AT_THE_CLIENT, registry, generation=PKI.generation(CLIENT).revoking(lists))


def distrusted(registry: CollectorRegistry, _: pytest.MonkeyPatch) -> AbstractAsyncContextManager[Seen]:
    return called(AT_THE_CLIENT, registry, generation=STRANGER.generation(CLIENT, bundle=PKI.bundle))


def another(registry: CollectorRegistry, _: pytest.MonkeyPatch) -> AbstractAsyncContextManager[Seen]:
    return called(AT_THE_CLIENT, registry, gateway="somebody.else")


def defect(registry: CollectorRegistry, patch: pytest.MonkeyPatch) -> AbstractAsyncContextManager[Seen]:
    async def breaks(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    patch.setattr(handshake, "connect", breaks)
    return called(AT_THE_CLIENT, registry)


NOWHERE = Address("127.0.0.1", 1)
LEAVES = b"\x16\x03"
HTTP_OVER_TLS = b"\x16\x03\x01\x00\x04GET "

ROWS: dict[type[Refused], Provoked] = {
    NotExported: asked(RouteTable.of([])),
    NotAllowed: asked(RouteTable.of([Route(SERVICE, PORT, (NOWHERE,), allow=())])),
    NoEndpoint: asked(RouteTable.of([Route(SERVICE, PORT, ())])),
    BackendUnreachable: asked(one_route(NOWHERE)),
    Draining: draining,
    OverLimit: asked(one_route(NOWHERE), InboundSettings(most_streams_per_identity=0)),
    Crowded: crowded,
    TooSlow: knocked(b"\x16", InboundSettings(deadlines=Deadlines(handshake=0.1))),
    PeerUntrusted: strange,
    PeerRevoked: revoked,
    AnotherServer: another,
    Distrusted: distrusted,
    ProtocolViolation: knocked(HTTP_OVER_TLS),
    PeerGone: knocked(LEAVES),
    Defect: defect,
}


def test_each_class_has_a_row() -> None:
    classes = {
        one
        for _, one in inspect.getmembers(refusals, inspect.isclass)
        if issubclass(one, Refused) and one is not Refused
    }
    assert ROWS.keys() == classes


@pytest.mark.parametrize("kind", ROWS, ids=lambda kind: kind.__name__)
async def test_a_refusal_shows_where_it_should(kind: type[Refused], monkeypatch: pytest.MonkeyPatch) -> None:
    registry, made = CollectorRegistry(), set[type[Refused]]()

    def taken_down(self: Refused, *arguments: object) -> None:
        made.add(type(self))
        Exception.__init__(self, *arguments)

    monkeypatch.setattr(Refused, "__init__", taken_down)
    with capture_logs() as lines:
        async with asyncio.timeout(PATIENCE), ROWS[kind](registry, monkeypatch) as seen:
            await until(lambda: reasons(lines, seen), f"{seen} in {lines}")
            counted = {"direction": seen.direction, "reason": kind.reason.value}
            await until(lambda: registry.get_sample_value("jackstay_refused_total", counted), f"{counted}")
    assert any(issubclass(one, kind) for one in made), "another class of the same reason"
    assert set(reasons(lines, seen)) == {kind.reason.value}
    assert seen.heard in (None, kind.reason.value)


def reasons(lines: list[MutableMapping[str, Any]], seen: Seen) -> list[str]:
    """Those that the log gives in the line that is meant."""
    return [
        line["reason"]
        for line in lines
        if line["event"] == seen.event and line.get("direction", seen.direction) == seen.direction
    ]


async def test_a_backends_reset_has_its_reason_in_the_frame_the_log_and_the_metric() -> None:
    """No refusal: it is how a stream ends that was given. The one reason that no class has."""
    assert {kind.reason for kind in ROWS} == set(Reason) - {Reason.BACKEND_RESET}
    registry = CollectorRegistry()
    with capture_logs() as lines, closing(Backends()) as backends:
        async with (
            asyncio.timeout(PATIENCE),
            open_inbound(PKI, routes=one_route(backends.address), registry=registry) as (_, listener),
        ):
            peer = await Tunnelled.to(listener.address, context(PKI, CLIENT, alpn=("jackstay/1",)), IDENTITY)
            await peer.open()
            (await backends.accept()).break_off()
            header = await TlsPeer.hear(peer, 4)
            assert header[0] == 6
            assert json.loads(await TlsPeer.hear(peer, int.from_bytes(header[1:], "big"))) == {
                "reason": "backend_reset"
            }
            await until(lambda: [x for x in lines if x["event"] == "connection.closed"], "the line")
            peer.sock.close()
    (closed,) = [line for line in lines if line["event"] == "connection.closed"]
    assert closed["reason"] == "backend_reset"
    labels = {"direction": "inbound", "peer": "src", "tls": "true", "errno": "backend_reset"}
    assert registry.get_sample_value("tcp_close_total", labels) == 1


HERE = frozenset({"127.0.0.1"})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("listed", [False, True])
async def test_a_backend_at_an_address_of_the_cluster_itself_gets_nothing(host: str, *, listed: bool) -> None:
    """Whatever led there: an address of the routes, or a name that they have."""
    with closing(Backends()) as backends:
        route = Route(SERVICE, PORT, (Address(host, backends.address.port),), listed=listed)
        # A listed Service may be at a node, which is in the first alone.
        never, never_listed = (HERE | {"::1"}, frozenset({"::1"})) if not listed else (frozenset(), HERE)
        table = RouteTable.of([route], allow_loopback=True, never=never, never_listed=never_listed)
        await no_way_to_it(
            table, "127.0.0.1 is an address of a node or of the API server", "::1 is an address"
        )
        with pytest.raises(BlockingIOError):
            backends.sock.accept()


async def test_a_service_that_is_listed_may_be_at_a_node() -> None:
    with closing(Backends()) as backends:
        route = Route(SERVICE, PORT, (backends.address,), listed=True)
        table = RouteTable.of([route], allow_loopback=True, never=HERE)
        async with asyncio.timeout(PATIENCE), open_inbound(PKI, routes=table) as (_, listener):
            peer = await Tunnelled.to(listener.address, context(PKI, CLIENT, alpn=("jackstay/1",)), IDENTITY)
            await peer.open()
            (await backends.accept()).sock.close()
            peer.sock.close()


@pytest.mark.parametrize("allow_loopback", [False, True])
async def test_a_backend_that_leads_to_a_forbidden_address_once_connected_is_cut(
    monkeypatch: pytest.MonkeyPatch, *, allow_loopback: bool
) -> None:
    """As a program at the socket may do; without a cluster there are the ranges alone to be held against."""
    with closing(Backends()) as backends:

        async def elsewhere(_: Address, *, timeout: float) -> Wire:
            return await connect(backends.address, timeout=timeout)

        monkeypatch.setattr(dialling, "connect", elsewhere)
        route = Route(SERVICE, PORT, (Address("10.0.0.9", 80),))
        never = HERE if allow_loopback else frozenset[str]()
        table = RouteTable.of([route], allow_loopback=allow_loopback, never=never)
        await no_way_to_it(table, "10.0.0.9 led to 127.0.0.1, which is a")
        with (await backends.accept()).sock as cut, pytest.raises(ConnectionResetError):
            cut.recv(1)


async def no_way_to_it(routes: RouteTable, *because: str) -> None:
    """A peer that asks is refused, and a line in the log says why, and it is counted."""
    registry = CollectorRegistry()
    with capture_logs() as lines:
        async with (
            asyncio.timeout(PATIENCE),
            open_inbound(PKI, routes=routes, registry=registry) as (_, listener),
        ):
            seen = await refused(listener.address)
            await until(lambda: reasons(lines, seen), "the line")
    assert seen.heard == "backend_unreachable"
    (closed,) = [line for line in lines if line["event"] == seen.event]
    assert closed["reason"] == "backend_unreachable"
    assert any(one in closed["message"] for one in because), closed
    counted = {"direction": "inbound", "reason": "backend_unreachable"}
    assert registry.get_sample_value("jackstay_refused_total", counted) == 1
