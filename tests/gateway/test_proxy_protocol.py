"""The PROXY protocol's header, byte by byte, and as a backend of a whole way reads it."""

import asyncio
import json
from pathlib import Path

from gateway.proxy_protocol import SIGNATURE, header
from process.address import Address
from tests.support.tunnelled import backend, tunnelled

ID = "0123456789abcdef0123456789abcdef"


def parts(tlvs: bytes) -> dict[int, bytes]:
    found = {}
    while tlvs:
        length = int.from_bytes(tlvs[1:3], "big")
        found[tlvs[0]] = tlvs[3 : 3 + length]
        tlvs = tlvs[3 + length :]
    return found


def test_a_header_for_ipv4() -> None:
    made = header(
        Address("192.0.2.1", 0x1234), Address("198.51.100.2", 4143), identity="web.test", id=ID, claim={}
    )
    assert made.startswith(SIGNATURE + b"\x21\x11")
    assert int.from_bytes(made[14:16], "big") == len(made) - 16
    assert made[16:28] == bytes((192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x34, 0x10, 0x2F))
    tlvs = parts(made[28:])
    assert tlvs[0x05] == ID.encode()
    assert tlvs[0x20][:5] == b"\x07" + bytes(4)
    assert parts(tlvs[0x20][5:]) == {0x21: b"TLSv1.3", 0x22: b"web.test"}
    assert tlvs.keys() == {0x05, 0x20}


def test_families_that_differ_are_both_told_as_ipv6() -> None:
    made = header(Address("::1", 1), Address("192.0.2.1", 2), identity="x", id=ID, claim={"pod": "web-0"})
    assert made[13] == 0x21
    assert made[16:48] == bytes(15) + b"\1" + bytes(10) + b"\xff\xff\xc0\0\2\1"
    assert json.loads(parts(made[52:])[0xE0]) == {"pod": "web-0"}


def test_a_mapped_address_is_told_as_ipv4() -> None:
    made = header(Address("::ffff:192.0.2.9", 1), Address("192.0.2.1", 2), identity="x", id=ID, claim={})
    assert made[13] == 0x11
    assert made[16:20] == bytes((192, 0, 2, 9))


async def test_a_backend_that_wants_it_learns_who_calls(tmp_path: Path) -> None:
    async def tells(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(16)
        tlvs = parts((await reader.readexactly(int.from_bytes(head[14:16], "big")))[12:])
        said = await reader.readexactly(5)
        writer.write(parts(tlvs[0x20][5:])[0x22] + b" said " + said)

    async with (
        backend(tells) as one,
        tunnelled(tmp_path, one.address, routes='proxy-protocol = "v2"') as way,
    ):
        reader, writer = await way.call()
        writer.write(b"hello")
        answer = await reader.read()
        assert answer == b"web.test.serviceaccount.identity.jackstay.cluster.local said hello"
        writer.close()
