"""The look at a ClientHello: real ones, in every cut and record, and what is refused before cryptography."""

import asyncio
import itertools
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import client_hello
from gateway.client_hello import ClientHello, Named, NoProtocolOfOurs, NotForUs, Reader, UnknownServer
from gateway.handshake import PROTOCOLS
from gateway.refusals import ProtocolViolation
from gateway.tls_engine import HANDSHAKE_BUDGET, HandshakeTooLong
from tests.support.gateways import open_gateway
from tests.support.pairs import GATEWAY
from tests.support.pki import Pki

PKI = Pki.make()
IDENTITY = PKI.identity(GATEWAY).dns_name
SERVICE = "9898.podinfo.test.svc.cluster.local"
LINKERD = "transport.l5d.io/v1"


def hello(server_name: str | None = IDENTITY, *protocols: str) -> bytes:
    """The record that OpenSSL makes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if protocols:
        context.set_alpn_protocols(list(protocols))
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=server_name).do_handshake()
    return outgoing.read()


def in_records(record: bytes, size: int) -> bytes:
    """The same message in records of *size* bytes."""
    message = record[5:]
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in parts)


def extension(kind: int, content: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(content).to_bytes(2, "big") + content


def handmade(extensions: bytes, *, more: bytes = b"") -> bytes:
    body = b"\x03\x03" + bytes(32) + b"\0" + b"\0\x02\x13\x01" + b"\x01\0"
    body += len(extensions).to_bytes(2, "big") + extensions + more
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return in_records(bytes(5) + message, 16384)


WHOLE = hello(IDENTITY, *PROTOCOLS)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (hello(IDENTITY, LINKERD), ClientHello(IDENTITY, (LINKERD,))),
        (hello(SERVICE), ClientHello(SERVICE)),
        (hello(IDENTITY.upper(), "h2", "http/1.1"), ClientHello(IDENTITY, ("h2", "http/1.1"))),
        (hello(None, "jackstay/1"), ClientHello(None, ("jackstay/1",))),
    ],
)
def test_what_openssl_writes_is_read(record: bytes, expected: ClientHello) -> None:
    assert Reader().feed(record) == expected


@pytest.mark.parametrize("cut", range(1, len(WHOLE)))
def test_in_two_segments(cut: int) -> None:
    reader = Reader()
    assert reader.feed(WHOLE[:cut]) is None
    assert reader.feed(WHOLE[cut:] + b"\x17\x03\x03\0\0") == ClientHello(IDENTITY, PROTOCOLS)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 100, 500])
def test_in_many_records_byte_by_byte(size: int) -> None:
    reader = Reader()
    wire = in_records(WHOLE, size)
    found = [reader.feed(wire[at : at + 1]) for at in range(len(wire))]
    assert found[:-1] == [None] * (len(wire) - 1)
    assert found[-1] == ClientHello(IDENTITY, PROTOCOLS)


def test_one_with_a_post_quantum_key_share_in_segments() -> None:
    """As rustls sends it: 1,216 bytes of key share, over two segments."""
    name = SERVICE.encode()
    names = b"\0" + len(name).to_bytes(2, "big") + name
    extensions = extension(51, bytes(1216 + 36)) + extension(0, len(names).to_bytes(2, "big") + names)
    record = handmade(extensions)
    assert len(record) > 1300
    reader = Reader()
    assert [reader.feed(record[:600]), reader.feed(record[600:1200])] == [None, None]
    assert reader.feed(record[1200:]) == ClientHello(SERVICE)


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\n", b"SSH-2.0-x\r\n", b"\0", b"\x16\x02", b"\x80\x2e\x01"]
)
def test_what_is_not_tls_is_refused_at_once(sent: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        Reader().feed(sent)


@pytest.mark.parametrize(
    "record",
    [
        b"\x15\x03\x03\0\x02\x02\x28",  # an alert
        b"\x16\x03\x01\0\x04\x02\0\0\0",  # a ServerHello
        b"\x16\x03\x01\0\x05\x01\0\0\x01\x03",  # shorter than any
        handmade(extension(0, b"\0\xff\0\0\x01a")),  # a list that points behind its end
        handmade(extension(16, b"\0\x02\x05h")),
        handmade(b"\0\x10\0\xff"),
    ],
)
def test_what_cannot_be_read_is_for_openssl_to_judge(record: bytes) -> None:
    found = Reader().feed(record)
    assert found is not None
    assert not found.readable
    assert checked(found) is None


def test_a_hello_that_does_not_end_has_a_bound() -> None:
    reader = Reader()
    part = b"\x16\x03\x01\x10\x00" + bytes(0x1000)
    assert reader.feed(b"\x16\x03\x01\0\x04\x01\xff\xff\xff") is None
    for _ in range(HANDSHAKE_BUDGET // len(part)):
        assert reader.feed(part) is None
    with pytest.raises(HandshakeTooLong):
        reader.feed(part)


def checked(found: ClientHello) -> Named | None:
    return client_hello.check(found, identity=IDENTITY, cluster_domain="cluster.local", protocols=PROTOCOLS)


NAMED = Named("podinfo.test.svc.cluster.local", 9898)


@pytest.mark.parametrize(
    ("found", "named"),
    [
        (ClientHello(IDENTITY, ("jackstay/1",)), None),
        (ClientHello(IDENTITY, ("h2", LINKERD)), None),
        (ClientHello(None, (LINKERD,)), None),
        (ClientHello(SERVICE), NAMED),
        (ClientHello(SERVICE, ("h2",)), NAMED),
        (ClientHello(SERVICE, ("jackstay/1",)), NAMED),
    ],
)
def test_who_is_for_us(found: ClientHello, named: Named | None) -> None:
    assert checked(found) == named


@pytest.mark.parametrize(
    ("found", "refusal"),
    [
        (ClientHello("elsewhere.example", PROTOCOLS), UnknownServer),
        (ClientHello("elsewhere.example"), UnknownServer),
        (ClientHello("", PROTOCOLS), UnknownServer),
        (ClientHello(f"{IDENTITY}.", PROTOCOLS), UnknownServer),
        (ClientHello(f"x.{IDENTITY}", PROTOCOLS), UnknownServer),
        (ClientHello(f"{SERVICE}\n", PROTOCOLS), UnknownServer),
        (ClientHello("9898.podinfo.test.svc.other.domain"), UnknownServer),
        (ClientHello("podinfo.test.svc.cluster.local"), UnknownServer),
        (ClientHello("0.podinfo.test.svc.cluster.local"), UnknownServer),
        (ClientHello("080.podinfo.test.svc.cluster.local"), UnknownServer),
        (ClientHello("65536.podinfo.test.svc.cluster.local"), UnknownServer),
        (ClientHello("80.a.podinfo.test.svc.cluster.local"), UnknownServer),
        (ClientHello("80.-a.test.svc.cluster.local"), UnknownServer),
        (ClientHello(IDENTITY), NoProtocolOfOurs),
        (ClientHello(IDENTITY, ("h2", "jackstay/2", "jackstay")), NoProtocolOfOurs),
        (ClientHello(None, ("http/1.1",)), NoProtocolOfOurs),
        (ClientHello(), NoProtocolOfOurs),
    ],
)
def test_who_is_not(found: ClientHello, refusal: type[NotForUs]) -> None:
    with pytest.raises(refusal):
        checked(found)


ALERTS = [
    (hello("elsewhere.example", *PROTOCOLS), 112),
    (hello(IDENTITY), 120),
    (hello(IDENTITY, "h2"), 120),
    (hello(None), 120),
]


@pytest.mark.parametrize(("record", "alert"), ALERTS)
async def test_the_gateway_says_why_and_spends_no_cryptography(record: bytes, alert: int) -> None:
    async with asyncio.timeout(60), open_gateway(PKI) as address:
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(record)
        assert await reader.read() == bytes((21, 3, 3, 0, 2, 2, alert))
        writer.close()


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.booleans())
def test_any_bytes_are_a_hello_or_refused_or_not_enough(parts: list[bytes], framed: bool) -> None:
    reader = Reader()
    try:
        for part in parts:
            reader.feed(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part if framed else part)
    except ProtocolViolation:
        pass


@given(st.binary(max_size=120))
def test_any_extensions_are_read_or_left_to_openssl(extensions: bytes) -> None:
    assert Reader().feed(handmade(extensions)) is not None


@given(st.lists(st.integers(1, len(WHOLE) - 1), max_size=6), st.integers(1, 600))
def test_cuts_and_records_make_no_difference(cuts: list[int], size: int) -> None:
    wire = in_records(WHOLE, size)
    places = [0, *sorted(cut for cut in set(cuts) if cut < len(wire)), len(wire)]
    reader = Reader()
    found = [reader.feed(wire[start:end]) for start, end in itertools.pairwise(places)]
    assert [one for one in found if one is not None] == [ClientHello(IDENTITY, PROTOCOLS)]
    assert found[-1] is not None


def test_the_alert_of_a_refusal_is_a_whole_record() -> None:
    assert client_hello.alert_record(NoProtocolOfOurs("x")) == bytes.fromhex("15030300020278")
    assert client_hello.alert_record(UnknownServer("x")) == bytes.fromhex("15030300020270")
