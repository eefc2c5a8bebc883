"""
The table of chains in real handshakes: a client's at the gateway, a server's at the outbound proxy.

Whoever is refused gets OpenSSL's alert if OpenSSL refuses it, and is closed without a word if a later layer
does. The log has the reason, a metric counts it, and no byte comes to a backend, or to the server that is not ours.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from certs.credentials import Credentials
from certs.fitness import ROLES
from certs.trust_bundle import TrustBundle
from certs.verification import Role, Untrusted, verify
from gateway.current import Current
from gateway.handshake_queue import HandshakeThreads
from gateway.lingering import Lingering
from gateway.metrics import DataPathMetrics
from gateway.outbound import Outbound
from gateway.routes import Route, RouteTable, Target
from gateway.settings import OutboundSettings, PoolSettings
from process.address import Address
from tests.certs.forge import NOW, WEB, Forged
from tests.certs.handshake import handshake
from tests.certs.table import Case
from tests.certs.table.every import BAD, GOOD
from tests.support.both_ends import both_ends, echoes
from tests.support.gateways import open_inbound
from tests.support.pairs import CLIENT, GATEWAY, Local, local
from tests.support.pki import Pki
from tests.support.shown import key_pem, showing
from tests.support.tls_peer import TlsPeer
from tests.support.tunnelled import PORT, SERVICE, backend

PKI = Pki.make()
OPEN = f'{{"service": "{SERVICE}", "port": {PORT}, "id": "{"0" * 32}"}}'.encode()
SECRET = b"for the eyes of the verified only"


def frame(kind: int, payload: bytes = b"") -> bytes:
    return bytes((kind,)) + len(payload).to_bytes(3, "big") + payload


SAID = frame(8, b"x") + frame(1, OPEN) + frame(4, SECRET)
"""PING, OPEN and DATA: all that a client can say at once."""


def anchors(made: Forged) -> TrustBundle:
    """Of ours, and of the chain that is tried."""
    return TrustBundle.from_pem(PKI.anchors_pem + made.bundle.pem)


def value(registry: CollectorRegistry, result: str) -> float:
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    return sum(
        sample.value
        for sample in samples
        if sample.name == "jackstay_handshakes_total" and sample.labels["result"] == result
    )


def refused_by_openssl(made: Forged, shown: ssl.SSLContext, role: Role) -> bool:
    """Whether the first layer alone refuses it."""
    mine = PKI.generation(GATEWAY, bundle=anchors(made))
    try:
        if role == "client":
            handshake(shown, mine.server)
        else:
            handshake(mine.client, shown)
    except ssl.SSLError:
        return True
    return False


def shown_by(case: Case, made: Forged, role: Role) -> ssl.SSLContext | None:
    """The context of a peer that shows it; None if no TLS library would send it."""
    try:
        return showing(case.sent(made), made.key, server=role == "server")
    except ssl.SSLError:
        return None


@dataclass
class Ending:
    """What a peer has seen of its end."""

    alert: bool
    heard: bytes


async def ending(peer: TlsPeer) -> Ending:
    try:
        await peer.hear_out()
    except ssl.SSLError:
        return Ending(alert=True, heard=bytes(peer.heard))
    return Ending(alert=False, heard=bytes(peer.heard))


AT_DOORS = [case for case in BAD if case.at_doors]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("case", AT_DOORS, ids=lambda case: case.name)
async def test_the_gateway_refuses_a_client_that_shows_it(case: Case) -> None:
    made = case.made()
    shown = shown_by(case, made, "client")
    if shown is None:
        only_verified(case, made, "client")
        return
    registry, told = CollectorRegistry(), bytearray()

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            told.extend(data)

    async with backend(count) as sentinel:
        routes = RouteTable.of(
            [Route(SERVICE, PORT, (Address.parse(sentinel.address),))], allow_loopback=True
        )
        with capture_logs() as lines:
            async with open_inbound(PKI, routes=routes, registry=registry, bundle=anchors(made)) as (
                _,
                listener,
            ):
                seen = await knocked(listener.address, shown)
    assert seen.heard == b""
    assert seen.alert == refused_by_openssl(made, shown, "client")
    (line,) = [line for line in lines if line["event"] == "peer.refused"]
    assert line["reason"] == "untrusted"
    assert value(registry, "untrusted") == 1
    assert value(registry, "ok") == 0
    assert (sentinel.connections, bytes(told)) == (0, b"")


async def knocked(address: Address, shown: ssl.SSLContext) -> Ending:
    """How it ends for a client that says all it can at once."""
    sock = socket.socket()
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (address.host, address.port))
    peer = TlsPeer(sock, shown, PKI.identity(GATEWAY).dns_name)
    try:
        await peer.shake_hands()
        await peer.say(SAID)
        return await ending(peer)
    except ssl.SSLError:
        return Ending(alert=True, heard=b"")
    finally:
        sock.close()


def only_verified(case: Case, made: Forged, role: Role) -> None:
    """For what OpenSSL does not even load in order to send it: the later layers refuse it too."""
    with pytest.raises(Untrusted):
        verify(case.sent(made), made.bundle, role=role, at=NOW)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("case", AT_DOORS, ids=lambda case: case.name)
async def test_the_outbound_proxy_refuses_a_server_that_shows_it(case: Case) -> None:
    made = case.made()
    shown = shown_by(case, made, "server")
    if shown is None:
        only_verified(case, made, "server")
        return
    registry = CollectorRegistry()
    with capture_logs() as lines:
        async with asyncio.timeout(60), proxied(made, registry) as (application, listening):
            sock, _ = await asyncio.get_running_loop().sock_accept(listening)
            with sock:
                peer = TlsPeer(sock, shown, None)
                await application.say(SECRET)
                try:
                    await peer.shake_hands()
                    seen = await ending(peer)
                except ssl.SSLError:
                    seen = Ending(alert=True, heard=b"")
            assert await application.hear_out() == "reset"
    assert seen.heard == b""
    assert seen.alert == refused_by_openssl(made, shown, "server")
    (line,) = [line for line in lines if line["event"] == "connection.closed"]
    assert line["reason"] == "untrusted", line
    assert value(registry, "untrusted") == 1
    assert value(registry, "ok") == 0


@asynccontextmanager
async def proxied(made: Forged, registry: CollectorRegistry) -> AsyncIterator[tuple[Local, socket.socket]]:
    """An application at an outbound proxy, and where the server that it is led to listens."""
    generation = Current(PKI.generation(CLIENT, bundle=anchors(made)))
    settings = OutboundSettings(allow_loopback=True, pool=PoolSettings(warm=0), tries=1)
    async with AsyncExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listening.setblocking(False)
        threads = stack.enter_context(HandshakeThreads(1))
        outbound = await stack.enter_async_context(
            Outbound(
                settings,
                generation=generation,
                threads=threads,
                lingering=await stack.enter_async_context(Lingering()),
                metrics=DataPathMetrics(registry, "outbound"),
            )
        )
        target = Target(SERVICE, PORT, (Address(*listening.getsockname()),), WEB.dns_name)
        outbound.follow({target})
        application, wire = await local()
        serving = asyncio.create_task(outbound.serve(wire, target))
        yield application, listening
        await serving
        application.sock.close()


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
@pytest.mark.parametrize("shown_as", ROLES)
async def test_a_good_chain_opens_both_doors(case: Case, shown_as: Role) -> None:
    made = case.made()
    pem = "".join(ssl.DER_cert_to_PEM_cert(one) for one in case.sent(made)).encode()
    credentials = Credentials.from_pem(pem, key_pem(made.key))
    async with both_ends(PKI) as ends:
        ours = {"client": (ends.at_client, CLIENT), "server": (ends.at_gateway, GATEWAY)}
        for role, (current, name) in ours.items():
            shown = credentials if role == shown_as else None
            current.swap(PKI.generation(name, number=2, bundle=anchors(made), credentials=shown))
        if shown_as == "server":
            ends.target = Target(SERVICE, PORT, ends.target.gateways, credentials.identity)
            ends.outbound.follow({ends.target})
        application = await ends.call()
        await echoes(application, SECRET)


def test_most_of_the_table_can_be_shown() -> None:
    shown = [case for case in AT_DOORS if shown_by(case, case.made(), "client") is not None]
    assert len(shown) >= 250
