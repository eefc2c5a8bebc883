"""
What DER forbids, or X.509, in the encoding of a leaf that its issuer has really signed.

Not here: other lengths around the whole certificate, where no signature reaches. OpenSSL writes those anew
before anybody else sees them; what is left is the certificate that was signed.
"""

from functools import partial

from tests.certs.table.by_hand import (
    BITS,
    BOOLEAN,
    ECDSA_SHA256,
    EXTENSIONS,
    INTEGER,
    KEY,
    OCTETS,
    OID,
    SEQUENCE,
    SERIAL,
    SET,
    SUBJECT,
    VALIDITY,
    VERSION,
    Edit,
    content,
    extension_value,
    extensions,
    hand_row,
    put,
    tlv,
    within,
)
from tests.certs.table.example import Row

_row = partial(hand_row, "encodings")

NAMES, CONSTRAINTS, USAGE, PURPOSES = "551d11", "551d13", "551d0f", "551d25"
READ = "cannot be read"
SIGNED = "TLS: certificate signature failure"
TIME = "TLS: format error in certificate's not|cannot be read|must be UtcTime"
ASKED = "TLS: unable to get local|cannot be read|names nobody|is not an identity|0 DNS names|purpose"
SHOWN = "TLS: (EE certificate key too weak|bad signature)|cannot be read"
NUMBER = "cannot be read|longer than 20 bytes|not positive|serial between|version"


def long_length(index: int) -> Edit:
    """A part with one byte more of length than is needed."""
    return lambda found: put(
        index, bytes((found[index][0], 0x82)) + len(content(found[index])).to_bytes(2) + content(found[index])
    )(found)


def endless(index: int) -> Edit:
    return lambda found: put(index, bytes((found[index][0], 0x80)) + content(found[index]) + b"\0\0")(found)


def utc(text: str) -> bytes:
    return tlv(0x17, text.encode())


def general(text: str) -> bytes:
    return tlv(0x18, text.encode())


def validity(begin: bytes, end: bytes) -> Edit:
    return put(VALIDITY, tlv(SEQUENCE, begin, end))


LATER = general("20990101000000Z")
FORMER = utc("200101000000Z")


def twice(oid: str) -> Edit:
    name = tlv(OID, bytes.fromhex(oid))
    return extensions(lambda found: [*found, *(one for one in found if name in one)])


def point(change: bytes | None) -> Edit:
    """The leaf's public key with other bits."""
    return within(KEY, put(1, tlv(BITS, change or b"")))


def signature(change: bytes) -> Edit:
    return put(2, tlv(BITS, change))


R_AND_S = tlv(SEQUENCE, tlv(INTEGER, b"\1"), tlv(INTEGER, b"\1"))
HALF = lambda der: der[: len(der) // 2]  # noqa: E731  # a name for a cut

CUT: list[Row] = [
    _row("a byte behind", READ, whole=lambda der: der + b"\0"),
    _row("a whole certificate behind", READ, whole=lambda der: der + der),
    _row("cut in the middle", READ, whole=HALF),
    _row("its last byte is missing", READ, whole=lambda der: der[:-1]),
    _row("more length than needed", READ, long_length(SUBJECT)),
    _row("more length than needed in a number", READ, long_length(SERIAL)),
    _row("more length than needed in the key", READ, long_length(KEY)),
    _row("no length at all in the extensions", READ, endless(EXTENSIONS)),
    _row("no length at all in the times", READ, endless(VALIDITY)),
    _row("a length beyond its end", READ, whole=lambda der: der[:2] + b"\xff\xff" + der[4:]),
    _row("a set where a sequence is", READ, whole=lambda der: b"\x31" + der[1:]),
    _row("PEM where DER is", READ, whole=lambda der: b"-----BEGIN CERTIFICATE-----\n" + der),
]
NUMBERS: list[Row] = [
    _row("serial number 0", NUMBER, put(SERIAL, tlv(INTEGER, b"\0"))),
    _row("serial number below 0", NUMBER, put(SERIAL, tlv(INTEGER, b"\x80"))),
    _row("serial number with a zero before", NUMBER, put(SERIAL, tlv(INTEGER, b"\0\1"))),
    _row("serial number of no bytes", NUMBER, put(SERIAL, tlv(INTEGER))),
    _row("serial number of 30 bytes", NUMBER + "|longer than 20", put(SERIAL, tlv(INTEGER, b"\1" * 30))),
    _row("version 1", NUMBER, put(VERSION, tlv(0xA0, tlv(INTEGER, b"\0")))),
    _row("version 2", NUMBER, put(VERSION, tlv(0xA0, tlv(INTEGER, b"\1")))),
    _row("version 4", NUMBER, put(VERSION, tlv(0xA0, tlv(INTEGER, b"\3")))),
    _row("no version, so the first", NUMBER, lambda found: found[1:]),
]
SIGNATURES: list[Row] = [
    _row(
        "an algorithm outside and another inside",
        SIGNED,
        outer=put(1, bytes.fromhex("300a06082a8648ce3d040303")),
    ),
    _row("an algorithm with parameters", SIGNED, outer=put(1, tlv(SEQUENCE, content(ECDSA_SHA256), b"\5\0"))),
    _row("no signature", SIGNED, outer=signature(b"\0")),
    _row("a signature of 1 and 1", SIGNED, outer=signature(b"\0" + R_AND_S)),
    _row("a signature of zeros", SIGNED, outer=signature(b"\0" + bytes(70))),
    _row("a signature in octets", READ, outer=lambda three: [*three[:2], tlv(OCTETS, content(three[2]))]),
    _row(
        "a signature with a byte behind",
        SIGNED,
        outer=lambda three: [*three[:2], tlv(BITS, content(three[2]), b"\0")],
    ),
    _row("a fourth part", READ, outer=lambda three: [*three, b"\5\0"]),
]
TIMES: list[Row] = [
    _row("a time without seconds", TIME, validity(utc("2001010000Z"), LATER)),
    _row("a time without a zone", TIME, validity(utc("200101000000"), LATER)),
    _row("a time with another zone", TIME, validity(utc("200101000000+0000"), LATER)),
    _row("a time with a fraction", TIME, validity(FORMER, general("20990101000000.5Z"))),
    _row("a long time before 2050", TIME, validity(general("20200101000000Z"), LATER)),
    _row("the 32nd of January", TIME, validity(FORMER, general("20990132000000Z"))),
    _row("the 13th month", TIME, validity(FORMER, general("20991301000000Z"))),
    _row("the 25th hour", TIME, validity(FORMER, general("20990101250000Z"))),
    _row("only one time", TIME, put(VALIDITY, tlv(SEQUENCE, FORMER))),
    _row("no times", TIME, put(VALIDITY, tlv(SEQUENCE))),
]
EXTENDED: list[Row] = [
    _row("names twice", ASKED, twice(NAMES)),
    _row("purposes twice", ASKED, twice(PURPOSES)),
    _row("basic constraints twice", ASKED, twice(CONSTRAINTS)),
    _row("no extensions in the list", ASKED, extensions(lambda found: [])),
    _row("extensions twice", ASKED, lambda found: [*found, found[EXTENSIONS]]),
    _row("something behind the extensions", ASKED, lambda found: [*found, tlv(0xA4, b"\5\0")]),
    _row(
        "critical is 1, which is no truth",
        ASKED,
        extensions(lambda found: [one.replace(tlv(BOOLEAN, b"\xff"), tlv(BOOLEAN, b"\1")) for one in found]),
    ),
    _row("a byte behind the names", ASKED, extension_value(NAMES, lambda der: der + b"\0")),
    _row("names of no kind", ASKED, extension_value(NAMES, lambda der: tlv(SEQUENCE, b"\x89\1a"))),
    _row("a name over 127", ASKED, extension_value(NAMES, lambda der: tlv(SEQUENCE, b"\x82\2\xc3\xa9"))),
    _row("no names in the list", ASKED, extension_value(NAMES, lambda der: tlv(SEQUENCE))),
    _row("names that are none", ASKED, extension_value(NAMES, lambda der: b"\xff" * 8)),
    _row("names cut", ASKED, extension_value(NAMES, HALF)),
    _row(
        "a negative path length",
        ASKED,
        extension_value(CONSTRAINTS, lambda der: tlv(SEQUENCE, tlv(BOOLEAN, b"\xff"), tlv(INTEGER, b"\xff"))),
    ),
    _row(
        "basic constraints that are a number",
        ASKED,
        extension_value(CONSTRAINTS, lambda der: tlv(INTEGER, b"\1")),
    ),
    _row("purposes of none", ASKED, extension_value(PURPOSES, lambda der: tlv(SEQUENCE))),
    _row(
        "purposes that are no identifiers",
        ASKED,
        extension_value(PURPOSES, lambda der: tlv(SEQUENCE, tlv(OID, b"\x80\1"))),
    ),
    _row("a key usage of no bits", ASKED, extension_value(USAGE, lambda der: tlv(BITS, b"\0"))),
    _row("a key usage that is no bits", ASKED, extension_value(USAGE, lambda der: tlv(OCTETS, b"\x80"))),
]
KEYS: list[Row] = [
    _row("a key of no bytes", SHOWN, point(b"\0")),
    _row("a point at infinity", SHOWN, point(b"\0\0")),
    _row("a point that is on no curve", SHOWN, point(b"\0\4" + b"\1" * 64)),
    _row("a point that is cut", SHOWN, point(b"\0\4" + b"\1" * 32)),
    _row("a key of an unknown kind", SHOWN, within(KEY, put(0, tlv(SEQUENCE, tlv(OID, b"\x2a\3\4"))))),
    _row("a key on an unknown curve", SHOWN, within(KEY, within(0, put(1, tlv(OID, b"\x2a\3\4"))))),
    _row("a curve that is not named", SHOWN, within(KEY, within(0, put(1, b"\5\0")))),
    _row("a subject that is no name", SHOWN, put(SUBJECT, tlv(SEQUENCE, tlv(SET)))),
]

ROWS: list[Row] = [*CUT, *NUMBERS, *SIGNATURES, *TIMES, *EXTENDED, *KEYS]
