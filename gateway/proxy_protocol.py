"""
What a backend is told about who calls: the PROXY protocol's header, version 2, binary.

    signature, 12 bytes | 0x21 | family | length of the rest, u16 | addresses and ports | TLVs

Source: HAProxy's specification, doc/proxy-protocol.txt, sections 2.2 and 2.2.6. A TLV is type u8,
length u16, value. Ours: the connection's id (PP2_TYPE_UNIQUE_ID), the peer's verified identity (the
common name within PP2_TYPE_SSL), and on whose behalf it says to call, as JSON, in 0xE0.
"""

import ipaddress
import json
from collections.abc import Mapping

from process.address import Address

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_PROXIED = b"\x21"  # version 2, command PROXY
_TCP4, _TCP6 = b"\x11", b"\x21"
_UNIQUE_ID, _SSL, _CLAIM = 0x05, 0x20, 0xE0
_SSL_VERSION, _SSL_CN = 0x21, 0x22
_WITH_CERTIFICATE = b"\x07"  # TLS, a certificate on this connection and in this session
_VERIFIED = bytes(4)


def header(source: Address, target: Address, *, identity: str, id: str, claim: Mapping[str, str]) -> bytes:  # noqa: A002  # the key in the log
    """
    The header for a connection from *source* to *target*, both IP addresses.

    *identity* is the verified one of the peer, *claim* what it says of itself.
    """
    first, second = (_ip(address.host) for address in (source, target))
    if first.version != second.version:
        first, second = _as_v6(first), _as_v6(second)
    ports = source.port.to_bytes(2, "big") + target.port.to_bytes(2, "big")
    tls = _WITH_CERTIFICATE + _VERIFIED + _tlv(_SSL_VERSION, b"TLSv1.3") + _tlv(_SSL_CN, identity.encode())
    rest = first.packed + second.packed + ports + _tlv(_UNIQUE_ID, id.encode()) + _tlv(_SSL, tls)
    if claim:
        rest += _tlv(_CLAIM, json.dumps(dict(claim), separators=(",", ":")).encode())
    family = _TCP4 if first.version == 4 else _TCP6
    return SIGNATURE + _PROXIED + family + len(rest).to_bytes(2, "big") + rest


def _tlv(kind: int, value: bytes) -> bytes:
    return bytes((kind,)) + len(value).to_bytes(2, "big") + value


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An IPv4 address that a dual-stack socket has wrapped in an IPv6 one is unwrapped."""
    address = ipaddress.ip_address(host)
    return getattr(address, "ipv4_mapped", None) or address


def _as_v6(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv6Address:
    if isinstance(address, ipaddress.IPv6Address):
        return address
    return ipaddress.IPv6Address(f"::ffff:{address}")
