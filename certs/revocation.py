"""
Revocation lists (CRLs): which certificates their signers have taken back.

Lists stand in a file beside the trust anchors, PEM or DER. Whoever gives the file wants to be sure: for each
certificate of a chain below its anchor, the file must hold a current list of the one who signed it, signed by
the same key. A list that is missing, not valid yet or out of date takes nobody in, and so does a file that
cannot be read. What any list of a signer names is revoked, also if the list is out of date.

Taken are complete lists only, each with the time of the next one. A list that covers a part (a delta, an
issuing distribution point, of other issuers' certificates) would leave out what nobody notices.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certs import certificate, pem
from certs.certificate import InvalidCertificate, extension, reading

MOST_BYTES = 8 << 20
MOST_LISTS = 100
LABELS = ("X509 CRL", "CRL")

_PARTIAL = (x509.DeltaCRLIndicator, x509.IssuingDistributionPoint)


class InvalidRevocations(ValueError):
    """The bytes, or the file, are no revocation lists that we take; says what is wrong."""


class Revoked(InvalidCertificate):
    """A certificate of the chain has been taken back by its signer."""


class NoList(InvalidCertificate):
    """There is no current revocation list of a signer of the chain, so that nobody knows."""


@dataclass(frozen=True, slots=True, eq=False)
class RevocationList:
    """One list as its file holds it; who has signed it is looked at when a chain is."""

    signer: x509.Name
    begin: datetime
    end: datetime
    """When the next one is to be there."""
    serials: frozenset[int] = field(repr=False)
    listed: x509.CertificateRevocationList = field(repr=False)
    _signed: dict[bytes, bool] = field(default_factory=dict, repr=False)
    """By public key whether it has signed the list. Few: a chain is verified before it is looked at here."""

    def signed_by(self, signer: x509.Certificate) -> bool:
        """Whether *signer*, in its own name and by its key, has signed the list, and may."""
        if signer.subject != self.signer:
            return False
        usage = extension(signer, x509.KeyUsage)
        if usage is not None and not usage.value.crl_sign:
            return False
        key = signer.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            return False
        named = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if named not in self._signed:
            self._signed[named] = self.listed.is_signature_valid(key)
        return self._signed[named]

    def current(self, at: datetime) -> bool:
        return self.begin <= at <= self.end


@dataclass(frozen=True, slots=True)
class Revocations:
    """What a file of revocation lists says; or that it says nothing, and why, which takes nobody in."""

    lists: tuple[RevocationList, ...] = field(repr=False, compare=False)
    digest: str
    """SHA-256 of the file; the same for the same lists."""
    wrong: str = ""

    @classmethod
    def read(cls, data: bytes) -> Self:
        """The lists in *data*. Raises InvalidRevocations."""
        if len(data) > MOST_BYTES:
            raise InvalidRevocations(f"{len(data)} bytes of revocation lists are over {MOST_BYTES}")
        lists = tuple(_lists(data))
        if len(lists) > MOST_LISTS:
            raise InvalidRevocations(f"{len(lists)} revocation lists are over {MOST_LISTS}")
        return cls(lists, hashlib.sha256(data).hexdigest())

    @classmethod
    def unusable(cls, why: str) -> Self:
        """Of a file that cannot be used: nobody is taken in."""
        return cls((), "", why)

    @property
    def next_update(self) -> datetime | None:
        """When the first signer's newest list is out of date; None if there is no list."""
        newest: dict[x509.Name, datetime] = {}
        for one in self.lists:
            newest[one.signer] = max(one.end, newest.get(one.signer, one.end))
        return min(newest.values(), default=None)

    def current(self, at: datetime) -> tuple[bool, ...]:
        """Which of the lists are current at *at*: what is taken in may change when this does."""
        return tuple(one.current(at) for one in self.lists)

    def check(self, path: Sequence[x509.Certificate], at: datetime) -> datetime:
        """
        Until when no certificate of *path*, from a leaf to its anchor, is known to be revoked.

        The path is verified already. Raises Revoked or NoList.
        """
        if self.wrong:
            raise NoList(f"the revocation lists cannot be read: {self.wrong}")
        of_each = [
            (link, signer, [one for one in self.lists if one.signed_by(signer)])
            for link, signer in pairwise(path)
        ]
        for below, (link, signer, lists) in enumerate(of_each):
            if any(link.serial_number in one.serials for one in lists):
                what = "an issuer of the certificate" if below else "the certificate"
                raise Revoked(f"{what} is revoked by {_name(signer)}: serial number {link.serial_number:x}")
        return min((_until(signer, lists, at) for _, signer, lists in of_each), default=_FOR_EVER)


_FOR_EVER = datetime.max.replace(tzinfo=UTC)


def _until(signer: x509.Certificate, lists: Iterable[RevocationList], at: datetime) -> datetime:
    """When the last list of *signer* is out of date that is current at *at*. Raises NoList."""
    ends = [one.end for one in lists]
    current = [one.end for one in lists if one.current(at)]
    if current:
        return max(current)
    if ends:
        raise NoList(
            f"no revocation list of {_name(signer)} is current: the next one was to be there by "
            f"{max(ends):%Y-%m-%d %H:%M:%S} UTC"
        )
    raise NoList(f"there is no revocation list that {_name(signer)} has signed")


def _name(holder: x509.Certificate) -> str:
    return holder.subject.rfc4514_string() or "(no name)"


def _lists(data: bytes) -> Iterator[RevocationList]:
    if data.startswith(b"\x30"):
        yield _list(data)
        return
    try:
        blocks = pem.blocks(data, most=MOST_BYTES)
    except pem.InvalidPem as error:
        raise InvalidRevocations(f"the revocation lists cannot be read: {error}") from error
    for number, block in enumerate(blocks, 1):
        if block.label not in LABELS:
            raise InvalidRevocations(f"block {number} is a {block.label}, not an X509 CRL")
        try:
            yield _list(block.body)
        except InvalidRevocations as error:
            raise InvalidRevocations(f"revocation list {number}: {error}") from error


def _list(der: bytes) -> RevocationList:
    try:
        with reading("the revocation list"):
            return _read(der)
    except InvalidCertificate as error:
        raise InvalidRevocations(str(error)) from error


def _read(der: bytes) -> RevocationList:
    """Raises InvalidCertificate."""
    listed = x509.load_der_x509_crl(der)
    end, digest = listed.next_update_utc, listed.signature_hash_algorithm
    if end is None:
        raise InvalidCertificate("it does not say when the next one comes (nextUpdate is missing)")
    if digest is None or digest.name not in certificate.HASHES:
        raise InvalidCertificate("it is not signed with SHA-256, SHA-384 or SHA-512")
    for each in listed.extensions:
        if isinstance(each.value, _PARTIAL):
            raise InvalidCertificate(
                "it is a delta or covers a part only (issuing distribution point); give a complete list"
            )
        if each.critical:
            raise InvalidCertificate(f"it has an unknown critical extension ({each.oid.dotted_string})")
    serials = set()
    for entry in listed:
        serials.add(entry.serial_number)
        if any(each.critical for each in entry.extensions):
            raise InvalidCertificate(
                f"its entry {entry.serial_number:x} has a critical extension that we do not know"
            )
    return RevocationList(listed.issuer, listed.last_update_utc, end, frozenset(serials), listed)
