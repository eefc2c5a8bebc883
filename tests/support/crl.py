"""
Revocation lists in one line:

    crl(PKI.issuer, revoked(web)) + crl(PKI.root)
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from certs.authority import Authority
from certs.credentials import read_key
from tests.support.pki import Issued

WEEK = timedelta(days=7)


def crl(
    signer: Authority,
    *serials: int | x509.RevokedCertificate,
    begin: datetime | None = None,
    end: datetime | None = None,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> bytes:
    """The list of *signer*, PEM: what is revoked, from *begin* (a day ago) to *end* (in a week)."""
    key = read_key(signer.key_pem)
    return signed_list(signer.certificate, key, *serials, begin=begin, end=end, extensions=extensions)


def signed_list(
    signer: x509.Certificate,
    key: CertificateIssuerPrivateKeyTypes,
    *serials: int | x509.RevokedCertificate,
    begin: datetime | None = None,
    end: datetime | None = None,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    digest: HashAlgorithm | None = None,
) -> bytes:
    """The same in the name of *signer*, with any *key*."""
    now = signer.not_valid_before_utc + timedelta(days=1)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(signer.subject)
        .last_update(begin or now - timedelta(days=1))
        .next_update(end or now + WEEK)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    for one in serials:
        builder = builder.add_revoked_certificate(entry(one, now) if isinstance(one, int) else one)
    listed = builder.sign(key, digest or SHA256())  # type: ignore[arg-type]  # others too, to be refused
    return listed.public_bytes(Encoding.PEM)


def entry(serial: int, at: datetime, *extensions: tuple[x509.ExtensionType, bool]) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.build()


def revoked(issued: Issued) -> int:
    """The serial number of its leaf."""
    return issued.credentials.leaf.serial_number
