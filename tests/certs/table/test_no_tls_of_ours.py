"""What is not TLS 1.3 with a protocol of ours gets no byte through, and no answer but an alert."""

import asyncio
import os
import struct

import pytest
from prometheus_client import CollectorRegistry

from gateway.routes import Route, RouteTable
from process.address import Address
from tests.certs.table.ends import pki
from tests.support.bare_tls import extension, vector
from tests.support.gateways import open_gateway
from tests.support.tunnelled import PORT, SERVICE, backend

VERSIONS = extension(43, vector(1, b"\3\4"))
GROUPS = extension(10, vector(2, b"\0\x1d"))
SCHEMES = extension(13, vector(2, b"\4\3\x08\4"))
SHARE = extension(51, vector(2, b"\0\x1d" + vector(2, bytes(range(32)))))
ALPN = extension(16, vector(2, vector(1, b"jackstay/1")))
WHOLE = (VERSIONS, GROUPS, SCHEMES, SHARE, ALPN)


def record(kind: int, body: bytes, version: bytes = b"\3\1") -> bytes:
    return bytes((kind,)) + version + vector(2, body)


def hello(
    *extensions: bytes, version: bytes = b"\3\3", ciphers: bytes = b"\x13\1", compression: bytes = b"\0"
) -> bytes:
    body = version + os.urandom(32) + b"\0" + vector(2, ciphers) + vector(1, compression)
    message = b"\1" + vector(3, body + vector(2, *extensions))
    return record(22, message)


def but(number: int, *instead: bytes) -> bytes:
    """A hello in which the extension of this *number* is missing, or is another one."""
    kept = (one for one in WHOLE if int.from_bytes(one[:2]) != number)
    return hello(*kept, *instead)


def sni(name: bytes, kind: bytes = b"\0") -> bytes:
    return extension(0, vector(2, kind + vector(2, name)))


OLD_CIPHERS = b"\xc0\x2b\xc0\x2f\x00\x9e"
PSK = extension(41, vector(2, vector(2, b"ticket") + bytes(4)) + vector(2, vector(1, bytes(32))))
WORDS = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n",
    "HTTP CONNECT": b"CONNECT podinfo:9898 HTTP/1.1\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "SMTP": b"EHLO gateway\r\n",
    "Redis": b"*1\r\n$4\r\nPING\r\n",
    "Postgres asks for TLS": struct.pack(">II", 8, 80877103),
    "MySQL": b"\x20\0\0\1\x85\xa6\xff\1",
    "PROXY v1": b"PROXY TCP4 10.0.0.1 10.0.0.2 1 4143\r\n",
    "PROXY v2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12),
    "a Linkerd header without TLS": b"transport.l5d.io/v1\r\n\r\n\0\0\0\2\x08\1",
    "our frames without TLS": b"\1\0\0\2{}",
    "zeros": bytes(64),
    "noise": bytes(range(255, 0, -1)),
    "one byte that is none": b"\xff",
    "SSLv2's hello": b"\x80\x2e\1\0\2\0\x15\0\0\0\x10\1\0\x80\3\0\x80\7\0\xc0" + bytes(27),
    "SOCKS": b"\5\1\0",
    "an alert": record(21, b"\2\x28"),
    "data before the handshake": record(23, b"let me in"),
    "a change of ciphers first": record(20, b"\1"),
    "a finished first": record(22, b"\x14\0\0\x20" + bytes(32)),
    "a certificate first": record(22, b"\x0b\0\0\4\0\0\0\0"),
    "a server's hello": record(22, b"\2\0\0\x26\3\3" + bytes(36)),
    "an empty record": record(22, b""),
    "many empty records": record(22, b"") * 100,
    "a record of 64 KiB": b"\x16\3\1\xff\xff" + bytes(65535),
    "a hello of 16 MiB": record(22, b"\1\xff\xff\xff" + bytes(1000)),
    "a record of version 9": b"\x16\x09\x09\0\5hello",
}
HELLOS = {
    "SSL 3": hello(version=b"\3\0", ciphers=b"\0\x2f"),
    "TLS 1.0": hello(GROUPS, version=b"\3\1", ciphers=b"\xc0\x13"),
    "TLS 1.1": hello(GROUPS, version=b"\3\2", ciphers=b"\xc0\x13"),
    "TLS 1.2": hello(GROUPS, SCHEMES, ALPN, ciphers=OLD_CIPHERS),
    "TLS 1.2 that says so": hello(
        extension(43, vector(1, b"\3\3")), GROUPS, SCHEMES, ALPN, ciphers=OLD_CIPHERS
    ),
    "TLS 1.2 with a wish to renegotiate": hello(GROUPS, SCHEMES, ALPN, b"\xff\1\0\1\0", ciphers=OLD_CIPHERS),
    "TLS 1.4": but(43, extension(43, vector(1, b"\3\5"))),
    "versions that nobody knows": but(43, extension(43, vector(1, b"\x7f\x1c\x7f\x17"))),
    "no versions": but(43, extension(43, vector(1))),
    "no ALPN": but(16),
    "another ALPN": but(16, extension(16, vector(2, vector(1, b"h2")))),
    "our ALPN in capitals": but(16, extension(16, vector(2, vector(1, b"JACKSTAY/1")))),
    "our ALPN with a NUL": but(16, extension(16, vector(2, vector(1, b"jackstay/1\0")))),
    "our ALPN and more": but(16, extension(16, vector(2, vector(1, b"jackstay/12")))),
    "an empty ALPN": but(16, extension(16, vector(2, vector(1)))),
    "ALPN of nothing": but(16, extension(16, b"\0\0")),
    "no groups": but(10),
    "no schemes": but(13),
    "no share": but(51),
    "only ciphers of old": hello(*WHOLE, ciphers=OLD_CIPHERS),
    "no ciphers": hello(*WHOLE, ciphers=b""),
    "half a cipher": hello(*WHOLE, ciphers=b"\x13"),
    "compression": hello(*WHOLE, compression=b"\1"),
    "no compression method": hello(*WHOLE, compression=b""),
    "a share of no bytes": but(51, extension(51, vector(2, b"\0\x1d\0\0"))),
    "a share of zeros": but(51, extension(51, vector(2, b"\0\x1d" + vector(2, bytes(32))))),
    "a share twice": but(51, extension(51, vector(2, (b"\0\x1d" + vector(2, bytes(range(32)))) * 2))),
    "an extension twice": hello(*WHOLE, ALPN),
    "a key of before": hello(*WHOLE, extension(45, vector(1, b"\0")), PSK),
    "a key of before and nothing else": hello(VERSIONS, ALPN, extension(45, vector(1, b"\0")), PSK),
    "a key of before that is not last": hello(PSK, *WHOLE),
    "another server": hello(*WHOLE, sni(b"another.example")),
    "a server with a NUL": hello(*WHOLE, sni(b"gate\0way")),
    "a server of 300 letters": hello(*WHOLE, sni(b"a" * 300)),
    "an address for a server": hello(*WHOLE, sni(b"127.0.0.1")),
    "a server with a dot behind": hello(*WHOLE, sni(b"jackstay-gateway.example.")),
    "two servers": hello(*WHOLE, sni(b"a.example"), sni(b"b.example")),
    "half a hello": hello(*WHOLE)[:60],
    "a hello without its last byte": hello(*WHOLE)[:-1],
}
SENT = {**WORDS, **HELLOS}


@pytest.mark.parametrize("sent", SENT.values(), ids=SENT)
async def test_it_is_refused(sent: bytes) -> None:
    reached = 0

    async def sentinel(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        nonlocal reached
        reached += len(await reader.read(1)) + 1

    registry = CollectorRegistry()
    async with backend(sentinel) as one:
        routes = RouteTable.of([Route(SERVICE, PORT, (Address.parse(one.address),))], allow_loopback=True)
        async with open_gateway(pki(), routes=routes, registry=registry) as door:
            reader, writer = await asyncio.open_connection(door.host, door.port)
            answer = b""
            try:
                writer.write(sent)
                writer.write_eof()
                answer = await reader.read()
            except ConnectionError:
                pass
            finally:
                writer.close()
    # A hello that is good so far gets the server's, which takes up no session of before.
    assert answer[:1] in (b"", b"\x15", b"\x16"), answer
    assert extension(41, b"\0\0") not in answer
    assert reached == 0
    results = {
        sample.labels["result"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "jackstay_handshakes_total" and sample.value
    }
    assert results in ({"protocol": 1}, {"peer_reset": 1})
    assert (results == {"peer_reset": 1}) <= (sent in GOES_ON), results


GOES_ON = [
    SENT[name]
    for name in (
        "half a hello",
        "a hello without its last byte",
        "an empty record",
        "many empty records",
        "a hello of 16 MiB",
        "a share twice",
        "a key of before",
    )
]
"""What might have become something, had it not ended: a full handshake, with a certificate."""


def test_there_are_as_many_as_there_were() -> None:
    assert len(SENT) >= 60
