"""Where the parts of a certificate stand in its bytes: for what `cryptography` reads and does not tell."""

from collections.abc import Iterator

from cryptography import x509

_VERSION = 0xA0
_BEFORE_KEY = 5
"""Serial number, algorithm, issuer, validity and subject; a version stands before them, but in version 1."""


def key_as_written(certificate: x509.Certificate) -> bytes:
    """The SubjectPublicKeyInfo of *certificate* in the bytes in which it was signed."""
    (body,) = parts(certificate.tbs_certificate_bytes)
    inside = [part for part in parts(content(body)) if part[0] != _VERSION]
    return inside[_BEFORE_KEY]


def parts(der: bytes) -> Iterator[bytes]:
    """The values that stand one behind the other in *der*, which somebody has found well-formed."""
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
