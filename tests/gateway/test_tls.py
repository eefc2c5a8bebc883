"""The TLS engine, two of them back to back; and handshakes over real sockets, good and bad."""

import asyncio
import itertools
import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from certs.generation import Generation
from gateway import handshake
from gateway.buffers import Buffers
from gateway.channel import Channel
from gateway.handshake_queue import HandshakeThreads
from gateway.refusals import (
    AnotherServer,
    Distrusted,
    PeerGone,
    PeerUntrusted,
    ProtocolViolation,
    Reason,
    by_alert,
)
from gateway.tls_engine import MAX_RECORD, TlsEngine, whole_record
from gateway.tunnel import Tunnel
from tests.support.pairs import CLIENT, GATEWAY, wires
from tests.support.pki import Pki

PKI = Pki.make()
SERVER_NAME = PKI.identity(GATEWAY).dns_name
GENERATION = PKI.generation(GATEWAY)
SPACE = memoryview(bytearray(2**20))


def engines() -> tuple[TlsEngine, TlsEngine]:
    """A client and a server, before their handshake."""
    client = TlsEngine(PKI.generation(CLIENT).client, server_name=SERVER_NAME)
    return client, TlsEngine(PKI.generation(GATEWAY).server, server_name=None)


def established() -> tuple[TlsEngine, TlsEngine]:
    client, server = engines()
    client.shake_hands(b"")
    server.shake_hands(client.outgoing())
    assert client.shake_hands(server.outgoing())[0]
    assert server.shake_hands(client.outgoing())[0]
    return client, server


def heard(engine: TlsEngine, ciphertext: bytes) -> bytes:
    """What comes out of *ciphertext*, all of which must be whole records."""
    taken, filled = engine.decrypt(memoryview(ciphertext), SPACE)
    assert taken == len(ciphertext)
    return bytes(SPACE[:filled])


def test_what_is_said_is_heard_and_both_agree_on_the_protocol() -> None:
    client, server = established()
    assert client.alpn == server.alpn == "jackstay/1"
    assert heard(server, client.encrypt(memoryview(b"question"))) == b"question"
    assert heard(client, server.encrypt(memoryview(b"answer"))) == b"answer"


@pytest.mark.parametrize("first", ["client", "server"])
def test_an_answer_after_the_half_close_arrives(first: str) -> None:
    client, server = established()
    asking, answering = (client, server) if first == "client" else (server, client)
    question = asking.encrypt(memoryview(b"question")) + asking.finish()
    assert heard(answering, question) == b"question"
    assert answering.peer_finished
    assert not asking.peer_finished
    assert heard(asking, answering.encrypt(memoryview(b"late answer"))) == b"late answer"
    assert heard(asking, answering.finish()) == b""
    assert asking.peer_finished


def test_close_notify_loses_nothing_that_has_come_meanwhile() -> None:
    """`unwrap` reads: a record that it finds is gone, and the session broken. So none is inside."""
    client, server = established()
    said = [client.encrypt(memoryview(b"one")), client.encrypt(memoryview(b"two"))]
    assert server.decrypt(memoryview(said[0] + said[1][:-1]), SPACE) == (len(said[0]), 3)
    goodbye = server.finish()
    assert goodbye
    assert heard(server, said[1]) == b"two"
    assert heard(server, client.encrypt(memoryview(b"three")) + client.finish()) == b"three"
    assert heard(client, goodbye) == b""
    assert client.peer_finished
    assert server.peer_finished


def test_what_unwrap_does_with_a_record_that_it_finds() -> None:
    """Why that is so: the same, without our engine's care."""
    client, server = established()
    server._incoming.write(client.encrypt(memoryview(b"lost")))
    with pytest.raises(ssl.SSLError, match=r"(?i)application.data.after.close.notify"):
        server.tls.unwrap()
    with pytest.raises(ssl.SSLError):
        server.tls.read(100)


def test_close_notify_is_said_once() -> None:
    client, server = established()
    assert heard(client, server.finish()) == b""
    server._tls = None  # type: ignore[assignment]  # not even asked: a second `unwrap` would read
    assert server.finish() == b""


def test_bulk_of_many_records_is_whole() -> None:
    client, server = established()
    said = bytes(range(256)) * 1500
    assert heard(server, client.encrypt(memoryview(said))) == said


def test_only_whole_records_are_taken() -> None:
    client, server = established()
    ciphertext = client.encrypt(memoryview(b"one")) + client.encrypt(memoryview(b"two"))
    for cut in range(len(ciphertext)):
        taken, _ = TlsEngine.decrypt(server, memoryview(ciphertext[: min(cut, 4)]), SPACE)
        assert taken == 0
    first = whole_record(memoryview(ciphertext))
    assert server.decrypt(memoryview(ciphertext[: first + 7]), SPACE) == (first, 3)
    assert heard(server, ciphertext[first:]) == b"two"


def test_nothing_is_read_behind_a_close_notify() -> None:
    client, server = established()
    last = client.encrypt(memoryview(b"last"))
    goodbye = client.finish()
    taken, filled = server.decrypt(memoryview(last + goodbye + b"\x17\x03\x03\x00\x05junk!"), SPACE)
    assert (taken, filled) == (len(last + goodbye), 4)
    assert server.peer_finished


def test_data_behind_the_handshake_is_left_alone() -> None:
    client, server = engines()
    client.shake_hands(b"")
    server.shake_hands(client.outgoing())
    client.shake_hands(server.outgoing())
    flight = client.outgoing()
    pipelined = client.encrypt(memoryview(b"too early to be looked at"))
    complete, taken = server.shake_hands(flight + pipelined)
    assert complete
    assert (flight + pipelined)[taken:] == pipelined
    assert heard(server, pipelined) == b"too early to be looked at"


@pytest.mark.parametrize("cut", [1, 4, 5, 6, 100, 500])
def test_a_client_hello_in_pieces(cut: int) -> None:
    client, server = engines()
    client.shake_hands(b"")
    hello = client.outgoing()
    assert server.shake_hands(hello[:cut]) == (False, 0)
    assert server.shake_hands(hello) == (False, len(hello))


def test_a_handshake_has_a_budget() -> None:
    _, server = engines()
    record = b"\x16\x03\x01\x3c\x00" + b"\x01\x00\xff\xff" + bytes(0x3C00 - 4)
    assert server.shake_hands(record) == (False, len(record))
    with pytest.raises(ProtocolViolation, match="handshake of more than"):
        server.shake_hands(record)


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n", b"SSH-2.0-x\r\n", b"\x00", b"\x16\x02\x00\x00\x01x"])
def test_what_is_not_tls_is_a_violation_at_once(sent: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        whole_record(memoryview(sent))


def test_a_record_that_is_too_long() -> None:
    with pytest.raises(ProtocolViolation):
        whole_record(b"\x17\x03\x03" + (MAX_RECORD + 1).to_bytes(2, "big"))  # type: ignore[arg-type] # bytes will do


def test_a_forged_record_is_an_error() -> None:
    client, server = established()
    ciphertext = bytearray(client.encrypt(memoryview(b"honest")))
    ciphertext[-1] ^= 1
    with pytest.raises(OSError, match=r"(?i)bad.record.mac|decrypt"):
        server.decrypt(memoryview(ciphertext), SPACE)


# Handshakes.


def gateway() -> Generation:
    return GENERATION


async def shaken(
    client: Generation, server: Generation, identity: str = SERVER_NAME
) -> tuple[handshake.Secured | BaseException, handshake.Secured | BaseException]:
    """What both sides make of it: the client's view, the server's."""
    ours, theirs = await wires()
    with HandshakeThreads(2) as threads:
        try:
            async with asyncio.timeout(60):
                return await asyncio.gather(
                    handshake.connect(ours, lambda: client, identity, threads),
                    handshake.accept(theirs, lambda: server, threads),
                    return_exceptions=True,
                )
        finally:
            ours.close()
            theirs.close()


async def test_both_know_each_other() -> None:
    client, server = await shaken(PKI.generation(CLIENT), PKI.generation(GATEWAY))
    assert isinstance(client, handshake.Secured)
    assert isinstance(server, handshake.Secured)
    assert client.peer.identity == SERVER_NAME
    assert server.peer.identity == PKI.identity(CLIENT).dns_name


async def test_a_client_of_another_anchor_is_refused_by_the_server() -> None:
    stranger = Pki.make().generation(CLIENT, bundle=PKI.bundle)
    _, server = await shaken(stranger, PKI.generation(GATEWAY))
    assert isinstance(server, PeerUntrusted)


async def test_a_server_of_another_anchor_is_refused_by_the_client() -> None:
    impostor = Pki.make().generation(GATEWAY, bundle=PKI.bundle)
    client, _ = await shaken(PKI.generation(CLIENT), impostor)
    assert isinstance(client, PeerUntrusted)


async def test_who_does_not_know_our_authority_has_refused_us() -> None:
    impostor = Pki.make().generation(GATEWAY, bundle=PKI.bundle)
    _, server = await shaken(PKI.generation(CLIENT), impostor)
    assert isinstance(server, Distrusted)
    assert server.reason is Reason.UNTRUSTED
    assert str(server).startswith(
        "the peer ended the handshake: it does not know the authority of our certificate"
    )


ALERTS = {
    42: (Distrusted, "it does not take our certificate, which may be in another name"),
    43: (Distrusted, "our certificate is not made for this end"),
    44: (Distrusted, "has been revoked"),
    45: (Distrusted, "our certificate, or an issuer of it, has expired by its clock"),
    46: (Distrusted, "does not say why"),
    48: (Distrusted, "it does not know the authority of our certificate"),
    49: (Distrusted, "it does not let its holder in"),
    116: (Distrusted, "it asks for a certificate, and we have shown none"),
    40: (ProtocolViolation, "no cipher, key or signature that both ends take"),
    70: (ProtocolViolation, "it does not speak TLS 1.3"),
    112: (AnotherServer, "it has no server of the name that we asked for"),
    120: (ProtocolViolation, "it speaks no protocol that we speak"),
    80: (ProtocolViolation, "its alert is 'internal error'"),
}


@pytest.mark.parametrize(("number", "kind", "said"), [(number, *told) for number, told in ALERTS.items()])
def test_an_alert_that_was_received_is_what_the_peer_said(number: int, kind: type, said: str) -> None:
    client, _ = engines()
    client.shake_hands(b"")
    with pytest.raises(ssl.SSLError) as received:
        client.shake_hands(bytes((21, 3, 3, 0, 2, 2, number)))
    refusal = by_alert(received.value)
    assert isinstance(refusal, kind)
    assert str(refusal).startswith("the peer ended the handshake: ")
    assert said in str(refusal)


def test_a_verdict_of_our_own_is_no_alert_of_the_peer() -> None:
    _, server = engines()
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    plain.maximum_version = ssl.TLSVersion.TLSv1_2
    client = TlsEngine(plain, server_name=SERVER_NAME)
    client.shake_hands(b"")
    with pytest.raises(ssl.SSLError) as ours:
        server.shake_hands(client.outgoing())
    assert by_alert(ours.value) is None


async def test_a_server_that_is_another_one_is_refused_by_the_client() -> None:
    client, _ = await shaken(PKI.generation(CLIENT), PKI.generation("somebody.else"))
    assert isinstance(client, PeerUntrusted)
    assert SERVER_NAME in str(client)


async def test_an_expired_leaf_is_refused() -> None:
    old = PKI.leaf(CLIENT, at=PKI.now - timedelta(hours=20), lifetime=timedelta(hours=1))
    generation = Generation.build(
        1, old.credentials, PKI.bundle, alpn_server=("jackstay/1",), alpn_client=("jackstay/1",)
    )
    _, server = await shaken(generation, PKI.generation(GATEWAY))
    assert isinstance(server, PeerUntrusted)
    assert "expired" in str(server)


@pytest.mark.parametrize("alpn", [("h2",), ()])
async def test_who_speaks_another_protocol_is_refused(alpn: tuple[str, ...]) -> None:
    _, server = await shaken(PKI.generation(CLIENT, alpn_client=alpn), PKI.generation(GATEWAY))
    assert isinstance(server, ProtocolViolation)


async def test_a_peer_that_leaves_within_the_handshake() -> None:
    ours, theirs = await wires()
    with HandshakeThreads(1) as threads:
        accepting = asyncio.create_task(handshake.accept(theirs, gateway, threads))
        await ours.send_all(b"\x16\x03\x01")
        ours.close()
        with pytest.raises(PeerGone):
            await accepting
    theirs.close()


async def test_a_deadline_waits_for_the_step_that_is_out() -> None:
    """While a job is out the loop touches neither engine nor BIO."""
    ended = False

    def job() -> None:
        nonlocal ended
        for _ in itertools.repeat(None, 2_000_000):
            pass
        ended = True

    with ThreadPoolExecutor(1) as threads, pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await handshake.in_thread(threads, job)
    assert ended


async def test_a_frame_that_came_with_the_handshake_is_heard() -> None:
    """A client need not wait for anything: its first frames may come in one piece with its Finished."""
    ours, theirs = await wires()
    client, _ = engines()
    with HandshakeThreads(1) as threads:
        accepting = asyncio.create_task(handshake.accept(theirs, gateway, threads))
        client.shake_hands(b"")
        await ours.send_all(client.outgoing())
        flight = b""
        while not client.shake_hands(flight)[0]:
            flight = await ours.receive()
        await ours.send_all(client.outgoing() + client.encrypt(memoryview(b"\x08\0\0\x04ping")))
        secured = await accepting
        tunnel = Tunnel(Channel(theirs, secured.engine, Buffers(), secured.unread), secured.peer, "server")
        tunnel.start()
        pong = await ours.receive()
        assert heard(client, pong) == b"\x09\0\0\x04ping"
        tunnel.close()
        ours.close()


def test_reasons_of_refusals_are_of_the_list() -> None:
    assert PeerUntrusted.reason is Reason.UNTRUSTED
    assert ProtocolViolation.reason is Reason.PROTOCOL
