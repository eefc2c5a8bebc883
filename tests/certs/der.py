"""
DER taken apart and put together again, for what no library would make.

    chain[0] = edited(chain[0], issuer_key, lambda tbs: [*tbs[:1], integer(-5), *tbs[2:]])
"""

from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from certs.der import inside, split

SERIAL, ALGORITHM, ISSUER, VALIDITY, SUBJECT, KEY, EXTENSIONS = range(1, 8)
"""Where the fields of a version 3 TBSCertificate stand."""


def element(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(length)]) + length + content


def sequence(*parts: bytes) -> bytes:
    return element(0x30, *parts)


def integer(value: int) -> bytes:
    return element(2, value.to_bytes(value.bit_length() // 8 + 1, signed=True))


def edited(
    certificate: bytes,
    key: ec.EllipticCurvePrivateKey,
    change: Callable[[list[bytes]], Sequence[bytes]],
    *,
    algorithm: Callable[[bytes], bytes] = lambda same: same,
) -> bytes:
    """
    *certificate* with the fields that *change* makes of its own, signed anew with *key*.

    *algorithm* changes the name of the signature's algorithm outside of what is signed.
    """
    tbs, outer, _ = split(inside(certificate))
    made = sequence(*change(split(inside(tbs))))
    signature = key.sign(made, ec.ECDSA(SHA256()))
    return sequence(made, algorithm(outer), element(3, b"\0", signature))


def with_extensions(change: Callable[[list[bytes]], Sequence[bytes]]) -> Callable[[list[bytes]], list[bytes]]:
    """A change of the extensions alone."""

    def of_all(tbs: list[bytes]) -> list[bytes]:
        (listed,) = split(inside(tbs[EXTENSIONS]))
        return [*tbs[:EXTENSIONS], element(0xA3, sequence(*change(split(inside(listed)))))]

    return of_all


def replaced(tbs: list[bytes], at: int, new: bytes) -> list[bytes]:
    return [*tbs[:at], new, *tbs[at + 1 :]]
