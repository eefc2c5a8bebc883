"""Just enough DER to take a certificate apart, put it together in another way, and sign it again."""

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.certs.forge import Forged

INTEGER, BITS, OCTETS, NULL, OID, SEQUENCE = 0x02, 0x03, 0x04, 0x05, 0x06, 0x30
UTC_TIME, GENERALIZED_TIME, BOOLEAN = 0x17, 0x18, 0x01
VERSION, EXTENSIONS = 0xA0, 0xA3

ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


def tlv(tag: int, content: bytes) -> bytes:
    """One element, its length in as few bytes as DER wants."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def content(element: bytes) -> bytes:
    """What is in one element."""
    return element[2 if element[1] < 0x80 else 2 + (element[1] & 0x7F) :]


def parts(element: bytes) -> list[bytes]:
    """The elements in a constructed one, whole."""
    found, left = [], content(element)
    while left:
        head = 2 if left[1] < 0x80 else 2 + (left[1] & 0x7F)
        size = left[1] if left[1] < 0x80 else int.from_bytes(left[2:head], "big")
        found.append(left[: head + size])
        left = left[head + size :]
    return found


Edit = Callable[[list[bytes]], list[bytes]]


def edited(made: Forged, edit: Edit, *, algorithm: bytes = ECDSA_SHA256) -> list[bytes]:
    """The chain with the parts of what is signed in its leaf changed by *edit*, signed by the same issuer."""
    signer = made.signer
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    signed = tlv(SEQUENCE, b"".join(edit(parts(made.certificates[0].tbs_certificate_bytes))))
    signature = signer.sign(signed, ec.ECDSA(hashes.SHA256()))
    leaf = tlv(SEQUENCE, signed + algorithm + tlv(BITS, b"\0" + signature))
    return [leaf, *made.chain[1:]]


def extensions(edit: Edit) -> Edit:
    """Change the list of extensions, each a whole element."""

    def change(signed: list[bytes]) -> list[bytes]:
        (listed,) = parts(signed[-1])
        return [*signed[:-1], tlv(EXTENSIONS, tlv(SEQUENCE, b"".join(edit(parts(listed)))))]

    return change


def openssl_signature(signed: bytes, key: CertificateIssuerPrivateKeyTypes, digest: str) -> bytes:
    """Over a hash that nobody should use any more."""
    with tempfile.TemporaryDirectory() as directory:
        pem = Path(directory) / "key.pem"
        pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        command = ["openssl", "dgst", f"-{digest}", "-sign", str(pem)]
        return subprocess.run(command, input=signed, capture_output=True, check=True, timeout=60).stdout
