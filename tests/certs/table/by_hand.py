"""A leaf put together from its parts in DER, for what no library writes, and signed by a real issuer."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.certs.forge import Forged, but, forge, new_key
from tests.certs.table.example import Example, Make, Row, shown
from tests.support.bare_tls import signing

VERSION, SERIAL, ALGORITHM, ISSUER, VALIDITY, SUBJECT, KEY, EXTENSIONS = range(8)
SEQUENCE, SET, INTEGER, BITS, OCTETS, OID, BOOLEAN = 0x30, 0x31, 2, 3, 4, 6, 1
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")

Parts = list[bytes]
Edit = Callable[[Parts], Parts]


@lru_cache(maxsize=1)
def issuer_key() -> ec.EllipticCurvePrivateKey:
    return new_key()


def tlv(tag: int, *inside: bytes) -> bytes:
    """A value in DER."""
    body = b"".join(inside)
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + body


def parts(der: bytes) -> Iterator[bytes]:
    """The values that stand one behind the other in *der*."""
    at = 0
    while at < len(der):
        begin, length = _header(der, at)
        yield der[at : begin + length]
        at = begin + length


def content(value: bytes) -> bytes:
    """What stands inside of one value."""
    begin, length = _header(value, 0)
    return value[begin : begin + length]


def _header(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the value at *at* begins, and how long it is."""
    length = der[at + 1]
    if length < 0x80:
        return at + 2, length
    more = length & 0x7F
    return at + 2 + more, int.from_bytes(der[at + 2 : at + 2 + more])


def same(one: Any) -> Any:
    return one


def put(index: int, value: bytes) -> Edit:
    """Part *index* is *value*."""
    return lambda found: [*found[:index], value, *found[index + 1 :]]


def within(index: int, edit: Edit) -> Edit:
    """*edit* of what stands in part *index*."""
    return lambda found: put(index, tlv(found[index][0], *edit(list(parts(content(found[index]))))))(found)


def extensions(edit: Edit) -> Edit:
    """*edit* of the list of extensions."""
    return within(EXTENSIONS, within(0, edit))


def extension_value(oid: str, change: Callable[[bytes], bytes]) -> Edit:
    """*change* of what the octets of the extension hold whose identifier is *oid*, in hexadecimal."""
    name = tlv(OID, bytes.fromhex(oid))

    def edit(found: Parts) -> Parts:
        assert any(name in one for one in found)
        return [_changed(one, change) if name in one else one for one in found]

    return extensions(edit)


def _changed(one: bytes, change: Callable[[bytes], bytes]) -> bytes:
    *before, octets = parts(content(one))
    return tlv(SEQUENCE, *before, tlv(OCTETS, change(content(octets))))


def by_hand(
    body: Edit = same,
    *,
    outer: Edit = same,
    whole: Callable[[bytes], bytes] = same,
    digest: hashes.HashAlgorithm | None = None,
    key: Any = None,
) -> Make:
    """
    A leaf under a good issuer: *body* edits its parts before it is signed, *outer* the three parts of the
    signed certificate, and *whole* its bytes. *key* is who proves itself.
    """

    def make() -> Example:
        made: Forged = forge(issuer=but(key=issuer_key()), leaf=but(key=key) if key is not None else same)
        leaf = made.certificates[0]
        signed = tlv(SEQUENCE, *body(list(parts(content(leaf.tbs_certificate_bytes)))))
        signature = issuer_key().sign(signed, ec.ECDSA(digest or hashes.SHA256()))
        three = outer([signed, ECDSA_SHA256, tlv(BITS, b"\0", signature)])
        good = shown(made)
        return Example((whole(tlv(SEQUENCE, *three)), good.chain[1]), signing(made.key), good.anchors)

    return make


def hand_row(
    category: str, name: str, said: str, body: Edit = same, *, reason: str = "untrusted", **how: Any
) -> Row:
    """A leaf with one flaw, and the same leaf put together as it should be."""
    return Row(category, name, said, by_hand(body, **how), by_hand(), reason=reason)
