"""One certificate: read at the door, and asked what everybody needs to know of it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certs import der as der_forms

LABELS = ("CERTIFICATE", "X509 CERTIFICATE")
CURVES = {"secp256r1": "P-256", "secp384r1": "P-384"}
HASHES = ("sha256", "sha384", "sha512")
RSA_BITS = range(2048, 4097)
RSA_EXPONENT = 65537
LITTLE = 0.3
"""The part of a lifetime that is left when it is time to worry."""

# Odd serial numbers and names over 64 characters, as Linkerd writes them, are warnings of
# `cryptography` each time. What a stranger sends may not write on our stderr, and a filter
# around each reading would not do: handshakes run in threads.
warnings.filterwarnings("ignore", category=UserWarning, module=r"(certs|cryptography)(\.|$)")

Extension = TypeVar("Extension", bound=x509.ExtensionType)


class InvalidCertificate(ValueError):
    """The certificate cannot be read, or may not be what it is used as; one sentence says why."""


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Translate what `cryptography` raises on bytes that somebody else made."""
    try:
        yield
    except InvalidCertificate:
        raise
    except (
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    ) as error:
        raise InvalidCertificate(f"{what} cannot be read: {error}") from error
    except (ValueError, TypeError) as error:
        # What the library says then is where its parser stopped.
        raise InvalidCertificate(
            f"{what} cannot be read: it is damaged; copy it anew, or make it anew"
        ) from error


def digest_for(key: object) -> hashes.SHA256 | hashes.SHA384:
    """The hash that *key* signs over."""
    curve = getattr(key, "curve", None)
    return hashes.SHA384() if isinstance(curve, ec.SECP384R1) else hashes.SHA256()


def parse(der: bytes) -> x509.Certificate:
    """Read a certificate with its names, extensions and key, so that later questions do not fail."""
    with reading("the certificate"):
        certificate = x509.load_der_x509_certificate(der)
        _ = certificate.version, certificate.serial_number, certificate.signature_hash_algorithm
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    with reading("a name in it"):
        _ = certificate.subject, certificate.issuer
    # The one byte that no signature covers and `cryptography` does not look at: how many bits
    # of the signature's last byte do not count.
    if not der.endswith(b"\0" + certificate.signature):
        raise InvalidCertificate("the signature is not made of whole bytes")
    with reading("an extension"):
        _ = certificate.extensions
    with reading("the public key"):
        key = certificate.public_key()
        plain = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    # Parameters of a curve of one's own, and points in other forms, are read by some and cost others dear.
    if der_forms.public_key(certificate) != plain:
        raise InvalidCertificate(
            "its key is not written in the plain form (a curve's name and an uncompressed point, or RSA); "
            "make the key anew (openssl: -pkeyopt ec_param_enc:named_curve)"
        )
    return certificate


def extension(certificate: x509.Certificate, kind: type[Extension]) -> x509.Extension[Extension] | None:
    """The extension of this kind, or None."""
    # Dozens of times for each peer; the library's own search takes three times as long.
    for one in certificate.extensions:
        if type(one.value) is kind:
            found: x509.Extension[Extension] = one
            return found
    return None


def valid_at(certificate: x509.Certificate, at: datetime) -> bool:
    """Whether *at* lies within its time."""
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


def ends_soon(certificate: x509.Certificate, at: datetime) -> bool:
    """Whether less than LITTLE of its lifetime is left at *at*, or none."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return end - at < LITTLE * (end - begin)


def validity(certificate: x509.Certificate) -> str:
    """Its time, for a sentence."""
    form = "%Y-%m-%d %H:%M:%S"
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return f"from {begin:{form}} to {end:{form}} UTC"


def key_type(key: object) -> str:
    """What kind of key, as people say it: ECDSA P-256, RSA 2048."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ECDSA {CURVES.get(key.curve.name, key.curve.name)}"
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    return type(key).__name__.removesuffix("Key").removesuffix("Public").removesuffix("Private")


def signature_type(certificate: x509.Certificate) -> str:
    """What it is signed with: ECDSA-SHA256, RSA-SHA256."""
    name: str = getattr(certificate.signature_algorithm_oid, "_name", "unknown")
    digest = certificate.signature_hash_algorithm
    if digest is None:
        return name
    return f"{'ECDSA' if 'ecdsa' in name else 'RSA'}-{digest.name.upper()}"


def check_key(key: object, whose: str = "its key") -> None:
    """Raises InvalidCertificate unless the public *key* is of a kind and size we take."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        good = key.curve.name in CURVES
    elif isinstance(key, rsa.RSAPublicKey):
        exponent = key.public_numbers().e
        if exponent != RSA_EXPONENT:
            raise InvalidCertificate(
                f"{whose} has the RSA exponent {_short(exponent)}; taken is {RSA_EXPONENT}"
            )
        good = key.key_size in RSA_BITS
        if good and key.key_size % 8:
            raise InvalidCertificate(f"{whose} has {key.key_size} bits, which are not whole bytes")
    else:
        good = False
    if not good:
        raise InvalidCertificate(
            f"{whose} is {key_type(key)}; taken are ECDSA P-256 and P-384, and RSA 2048 to 4096"
        )


def _short(number: int) -> str:
    return str(number) if number.bit_length() <= 64 else f"of {number.bit_length()} bits"


def check_signature_hash(certificate: x509.Certificate) -> None:
    """Raises InvalidCertificate if it is signed over anything but SHA-2."""
    digest = certificate.signature_hash_algorithm
    if digest is None or digest.name not in HASHES:
        raise InvalidCertificate(
            f"it is signed with {signature_type(certificate)}; taken are SHA-256, SHA-384 and SHA-512"
        )


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether its basic constraints say so."""
    constraints = extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.value.ca


def check_named(certificate: x509.Certificate) -> None:
    """Raises InvalidCertificate if an authority has no name: what it signs would not say by whom."""
    if not list(certificate.subject):
        raise InvalidCertificate(
            "its subject is empty, and verifiers take nothing that a nameless authority has signed; "
            "make it anew with a name (openssl: -subj /CN=...)"
        )


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether *issuer*'s name stands in it and *issuer*'s key signed it."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def check_anchor(certificate: x509.Certificate) -> None:
    """
    Raises InvalidCertificate unless both verifiers can end a chain at it.

    Its own form is the operator's affair: no key usage is asked for, since plain
    `openssl req -x509` writes none.
    """
    if certificate.version is not x509.Version.v3 or not is_authority(certificate):
        raise InvalidCertificate(
            "it is not an authority (basic constraints do not say CA); "
            "use the root's certificate, not a leaf's"
        )
    if not issued_by(certificate, certificate):
        if certificate.subject == certificate.issuer:
            check_signature_hash(certificate)  # neither verifier would look at such a signature
        raise InvalidCertificate(
            "it is not self-signed, so it is an issuer and no trust anchor; "
            "use the certificate of the root above it"
        )
    usage = extension(certificate, x509.KeyUsage)
    if usage is not None and not usage.value.key_cert_sign:
        raise InvalidCertificate("its key usage does not allow signing certificates")
    check_named(certificate)
    check_key(certificate.public_key())
