"""The parts of DER that a parser has read already, as they were written: what it does not tell."""

from cryptography import x509

_VERSION, _KEY = 0xA0, 5
_UNIQUE_IDS = (0x81, 0xA1, 0x82, 0xA2)


def split(der: bytes) -> list[bytes]:
    """The elements that stand in *der* one after the other, each with tag and length."""
    found = []
    while der:
        size, begin = der[1], 2
        if size & 0x80:
            begin += size & 0x7F
            size = int.from_bytes(der[2:begin])
        found.append(der[: begin + size])
        der = der[begin + size :]
    return found


def inside(der: bytes) -> bytes:
    """What the one element *der* holds."""
    return der[2 + (der[1] & 0x7F if der[1] & 0x80 else 0) :]


def _fields(certificate: x509.Certificate) -> list[bytes]:
    """What is signed, from the serial number on."""
    fields = split(inside(certificate.tbs_certificate_bytes))
    return fields[1:] if fields[0][0] == _VERSION else fields


def public_key(certificate: x509.Certificate) -> bytes:
    """The SubjectPublicKeyInfo."""
    return _fields(certificate)[_KEY]


def has_unique_id(certificate: x509.Certificate) -> bool:
    """Whether it has an issuerUniqueID or a subjectUniqueID."""
    return any(field[0] in _UNIQUE_IDS for field in _fields(certificate)[_KEY + 1 :])


def extension(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> bytes | None:
    """The value of an extension, which there is once at most."""
    for field in _fields(certificate)[_KEY + 1 :]:
        if field[0] == 0xA3:
            for one in split(inside(inside(field))):
                name, *_, value = split(inside(one))
                if _dotted(inside(name)) == oid.dotted_string:
                    return inside(value)
    return None


def _dotted(encoded: bytes) -> str:
    """An object identifier as people write it."""
    numbers, value = [], 0
    for byte in encoded:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))
