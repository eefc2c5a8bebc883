"""Certificates whose signature is right and whose bytes are not as they must be, or mean two things."""

from collections.abc import Callable, Sequence

from tests.certs.forge import Forged
from tests.certs.table import Case, bad
from tests.certs.table.asn1 import (
    BITS,
    BOOLEAN,
    ECDSA_SHA256,
    GENERALIZED_TIME,
    INTEGER,
    NULL,
    OCTETS,
    SEQUENCE,
    UTC_TIME,
    VERSION,
    Edit,
    content,
    edited,
    extensions,
    parts,
    tlv,
)

# Places in what is signed.
_VERSION, _SERIAL, _ALGORITHM, _ISSUER, _TIMES, _SUBJECT, _KEY = range(7)
_SAN, _CONSTRAINTS, _USAGE = b"\x55\x1d\x11", b"\x55\x1d\x13", b"\x55\x1d\x0f"


def _at(place: int, new: bytes | Callable[[bytes], bytes]) -> Edit:
    def change(signed: list[bytes]) -> list[bytes]:
        return [
            (new(old) if callable(new) else new) if number == place else old
            for number, old in enumerate(signed)
        ]

    return change


def _without(place: int) -> Edit:
    return lambda signed: [old for number, old in enumerate(signed) if number != place]


def _times(begin: bytes | None, end: bytes | None) -> Edit:
    def change(old: bytes) -> bytes:
        was = parts(old)
        return tlv(SEQUENCE, (begin or was[0]) + (end or was[1]))

    return _at(_TIMES, change)


def _extension(oid: bytes, change: Callable[[bytes], bytes]) -> Edit:
    """Change the value of the extension *oid* (what its OCTET STRING holds)."""

    def edit(listed: list[bytes]) -> list[bytes]:
        new = []
        for one in listed:
            elements = parts(one)
            if content(elements[0]) == oid:
                elements[-1] = tlv(OCTETS, change(content(elements[-1])))
            new.append(tlv(SEQUENCE, b"".join(elements)))
        return new

    return extensions(edit)


def _twice(oid: bytes) -> Edit:
    return extensions(lambda listed: [*listed, *(one for one in listed if oid in one[:10])])


def _key(change: Callable[[bytes], bytes]) -> Edit:
    """Change the bytes of the public key: 0, 4, X, Y."""

    def edit(old: bytes) -> bytes:
        algorithm, bits = parts(old)
        return tlv(SEQUENCE, algorithm + tlv(BITS, change(content(bits))))

    return _at(_KEY, edit)


def _key_algorithm(parameters: bytes) -> Edit:
    def edit(old: bytes) -> bytes:
        algorithm, bits = parts(old)
        return tlv(SEQUENCE, tlv(SEQUENCE, parts(algorithm)[0] + parameters) + bits)

    return _at(_KEY, edit)


def _sent(edit: Edit, algorithm: bytes = ECDSA_SHA256) -> Callable[[Forged], Sequence[bytes]]:
    return lambda made: edited(made, edit, algorithm=algorithm)


def _long_form(element: bytes) -> bytes:
    """The same with its length in more bytes than needed: BER."""
    return bytes((element[0], 0x83)) + len(content(element)).to_bytes(3, "big") + content(element)


_EDITS: dict[str, Edit] = {
    "version 1": _at(_VERSION, tlv(VERSION, tlv(INTEGER, b"\0"))),
    "version 2": _at(_VERSION, tlv(VERSION, tlv(INTEGER, b"\1"))),
    "version 4": _at(_VERSION, tlv(VERSION, tlv(INTEGER, b"\3"))),
    "no version, with extensions": _without(_VERSION),
    "serial number 0": _at(_SERIAL, tlv(INTEGER, b"\0")),
    "negative serial number": _at(_SERIAL, tlv(INTEGER, b"\x81")),
    "empty serial number": _at(_SERIAL, tlv(INTEGER, b"")),
    "serial number with a zero before": _at(_SERIAL, tlv(INTEGER, b"\0\1")),
    "another algorithm inside than outside": _at(_ALGORITHM, bytes.fromhex("300a06082a8648ce3d040303")),
    "NULL behind the algorithm inside": _at(_ALGORITHM, bytes.fromhex("300c06082a8648ce3d0403020500")),
    "time without seconds": _times(tlv(UTC_TIME, b"2601010000Z"), None),
    "time with an offset": _times(tlv(UTC_TIME, b"260101000000+0000"), None),
    "time with a fraction": _times(tlv(GENERALIZED_TIME, b"20260101000000.5Z"), None),
    "a year before 2050 as a GeneralizedTime": _times(tlv(GENERALIZED_TIME, b"20260101000000Z"), None),
    "no such day": _times(tlv(UTC_TIME, b"260230000000Z"), None),
    "time that is text": _times(tlv(UTC_TIME, b"yesterday"), None),
    "end before the beginning": _times(tlv(UTC_TIME, b"260101000000Z"), tlv(UTC_TIME, b"250101000000Z")),
    "no end": _at(_TIMES, lambda old: tlv(SEQUENCE, parts(old)[0])),
    "names twice": _twice(_SAN),
    "basic constraints twice": _twice(_CONSTRAINTS),
    "key usage twice": _twice(_USAGE),
    "no list of names": _extension(_SAN, lambda _: tlv(SEQUENCE, b"")),
    "something behind the names": _extension(_SAN, lambda old: old + b"\5\0"),
    "names cut off": _extension(_SAN, lambda old: old[:-3]),
    "names with a length in long form": _extension(_SAN, _long_form),
    "key usage without a bit": _extension(_USAGE, lambda _: tlv(BITS, b"\0")),
    "key usage with bits that do not count set": _extension(_USAGE, lambda _: tlv(BITS, b"\x07\xff")),
    "basic constraints with a BOOLEAN of 1": _extension(
        _CONSTRAINTS, lambda _: tlv(SEQUENCE, tlv(BOOLEAN, b"\1"))
    ),
    "basic constraints that say the default": _extension(
        _CONSTRAINTS, lambda _: tlv(SEQUENCE, tlv(BOOLEAN, b"\0"))
    ),
    "no extensions": lambda signed: signed[:-1],
    "an empty list of extensions": extensions(lambda _: []),
    "public key not on the curve": _key(lambda old: old[:-1] + bytes((old[-1] ^ 1,))),
    "public key at infinity": _key(lambda _: b"\0\0"),
    "public key cut off": _key(lambda old: old[:-1]),
    "curve named by its numbers": _key_algorithm(
        # P-256 as explicit parameters, of which a crafted form made verifiers loop (CVE-2022-0778).
        bytes.fromhex(
            "3081f7020101302c06072a8648ce3d0101022100ffffffff00000001000000000000000000000000ffffffffffffffff"
            "ffffffff305b0420ffffffff00000001000000000000000000000000fffffffffffffffffffffffc04205ac635d8aa3a"
            "93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b031500c49d360886e704936a6678e1139d26b7819f7e"
            "900441046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a"
            "7c0f9e162bce33576b315ececbb6406837bf51f5022100ffffffff00000000ffffffffffffffffbce6faada7179e84f3"
            "b9cac2fc632551020101"
        )
    ),
    "curve left out": _key_algorithm(b""),
    "curve NULL": _key_algorithm(tlv(NULL, b"")),
    "issuer's name with something behind": _at(_ISSUER, lambda old: old + b"\5\0"),
}


def _bits_changed(made: Forged) -> Sequence[bytes]:
    leaf = made.chain[0]
    return [leaf[:-1] + bytes((leaf[-1] ^ 1,)), *made.chain[1:]]


ROWS: list[Case] = [
    *(bad(f"leaf: {name}", "", sent=_sent(edit)) for name, edit in _EDITS.items()),
    bad(
        "leaf: another algorithm outside than inside",
        "",
        sent=_sent(lambda signed: signed, bytes.fromhex("300a06082a8648ce3d040303")),
    ),
    bad("leaf: a bit of the signature", "", sent=_bits_changed),
    bad("leaf: something behind it", "", sent=lambda made: [made.chain[0] + b"\5\0", *made.chain[1:]]),
    bad("leaf: its length in long form", "", sent=lambda made: [_long_form(made.chain[0]), *made.chain[1:]]),
    bad("leaf: cut off", "", sent=lambda made: [made.chain[0][:-10], *made.chain[1:]]),
    bad("issuer: something behind it", "", sent=lambda made: [made.chain[0], made.chain[1] + b"\5\0"]),
    bad("issuer: cut off", "", sent=lambda made: [made.chain[0], made.chain[1][:-10]]),
    bad("issuer: empty", "", sent=lambda made: [made.chain[0], b""]),
    bad("issuer: text", "", sent=lambda made: [made.chain[0], b"certificate"]),
    bad("leaf: a bit of the serial number", "", sent=lambda made: [_flipped(made), *made.chain[1:]]),
]


def _flipped(made: Forged) -> bytes:
    serial = tlv(INTEGER, made.certificates[0].serial_number.to_bytes(20, "big").lstrip(b"\0"))
    at = made.chain[0].index(content(serial))
    leaf = bytearray(made.chain[0])
    leaf[at + 5] ^= 1
    return bytes(leaf)
