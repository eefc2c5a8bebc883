"""What a process shows of itself: its leaf with the chain above, and the key that proves them."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from certs import certificate, pem
from certs.certificate import InvalidCertificate
from certs.names import names

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

MOST_CERTIFICATES = 5
MOST_BYTES = 16 * 1024


class InvalidCredentials(ValueError):
    """Certificate and key cannot serve as credentials; says what is wrong."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A leaf, its issuers in order, and its key. The key is never shown."""

    chain: tuple[x509.Certificate, ...]
    """The leaf first, then whoever signed the one before."""
    identity: str
    """The DNS name in the leaf."""
    chain_pem: bytes = field(repr=False)
    key_pem: bytes = field(repr=False)

    @property
    def leaf(self) -> x509.Certificate:
        return self.chain[0]

    @property
    def not_after(self) -> datetime:
        """Until when the whole chain is valid."""
        return min(link.not_valid_after_utc for link in self.chain)

    def ends_soon(self, at: datetime) -> bool:
        """Whether a certificate of the chain has little of its lifetime left at *at*: time to warn."""
        return any(certificate.ends_soon(link, at) for link in self.chain)

    @classmethod
    def from_pem(cls, chain: bytes, key: bytes) -> Self:
        """Read a chain, leaf first, and its key. Raises InvalidCredentials."""
        return cls.of(read_chain(chain), read_key(key))

    @classmethod
    def of(cls, certificates: tuple[x509.Certificate, ...], private: PrivateKey) -> Self:
        """The credentials of a chain, leaf first, and its key. Raises InvalidCredentials."""
        leaf = certificates[0]
        if public_bytes(private) != spki(leaf):
            raise InvalidCredentials(
                "the key does not belong to the certificate: they were made apart, or one was replaced alone"
            )
        try:
            identity = names(leaf).identity.dns_name
        except InvalidCertificate as error:
            raise InvalidCredentials(f"the certificate cannot be a workload's: {error}") from error
        return cls(
            certificates,
            identity,
            b"".join(link.public_bytes(Encoding.PEM) for link in certificates),
            key_pem(private),
        )


def read_chain(data: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file, each signed by the next. Raises InvalidCredentials."""
    try:
        found = pem.blocks(data)
        chain = tuple(certificate.parse(block.body) for block in found if block.label in certificate.LABELS)
    except (pem.InvalidPem, InvalidCertificate) as error:
        raise InvalidCredentials(f"the certificate cannot be read: {error}") from error
    if not chain:
        raise InvalidCredentials(
            f"it holds no CERTIFICATE, only: {', '.join(block.label for block in found)}"
        )
    if len(chain) > MOST_CERTIFICATES or sum(len(block.body) for block in found) > MOST_BYTES:
        raise InvalidCredentials(
            f"{len(chain)} certificates are more than peers take: {MOST_CERTIFICATES}, and {MOST_BYTES} bytes"
        )
    for number, (link, issuer) in enumerate(pairwise(chain), 1):
        if not certificate.issued_by(link, issuer):
            raise InvalidCredentials(
                f"certificate {number} is not signed by certificate {number + 1}: "
                "the file must hold the leaf, then its issuer, and so on upwards"
            )
    return chain


def read_key(data: bytes) -> PrivateKey:
    """The one private key of a PEM file. Raises InvalidCredentials."""
    try:
        labels = [block.label for block in pem.blocks(data) if block.label.endswith("PRIVATE KEY")]
    except pem.InvalidPem as error:
        raise InvalidCredentials(f"the key cannot be read: {error}") from error
    if len(labels) != 1:
        raise InvalidCredentials(f"the key's file holds {len(labels)} private keys where it must hold one")
    begin = data.index(f"-----BEGIN {labels[0]}-----".encode())
    try:
        key = load_pem_private_key(data[begin:], password=None)
    except TypeError as error:
        raise InvalidCredentials(
            "the key is encrypted: a process has nobody to ask for its password"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        # What the library says could quote the key.
        raise InvalidCredentials("the key cannot be read: it is damaged or of an unknown kind") from error
    try:
        certificate.check_key(key.public_key(), "the private key")
    except InvalidCertificate as error:
        raise InvalidCredentials(str(error)) from error
    assert isinstance(key, PrivateKey)
    return key


def key_pem(key: PrivateKey) -> bytes:
    """*key* as PKCS #8 PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_bytes(key: PrivateKey) -> bytes:
    """The public half of *key*, in the form in which certificates hold it."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def spki(holder: x509.Certificate) -> bytes:
    """The public key that *holder* is about, in the same form."""
    return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
