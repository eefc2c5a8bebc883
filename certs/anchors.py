"""
The trust anchors of a bundle, one by one: which of them vouches for what, and which came last.

While anchors are rotated a bundle holds the old one and the new one. A chain may then end at either, if
both are of one name and key; it is said to be the newer one's, since it needs no other.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from certs import certificate
from certs.fitness import ROLES
from certs.trust_bundle import InvalidTrustBundle, TrustBundle
from certs.verification import Untrusted, verify


def fingerprint(anchor: x509.Certificate) -> str:
    """SHA-256 of the whole certificate, in hexadecimal."""
    return anchor.fingerprint(hashes.SHA256()).hex()


def newest_first(anchors: Iterable[x509.Certificate]) -> list[x509.Certificate]:
    """By when they were made; of the same moment, the one that lasts longer comes first."""
    return sorted(anchors, key=lambda one: (one.not_valid_before_utc, one.not_valid_after_utc), reverse=True)


def anchor_of(
    chain: Sequence[x509.Certificate], bundle: TrustBundle, *, at: datetime
) -> x509.Certificate | None:
    """
    The newest anchor of *bundle* that by itself vouches for *chain*, leaf first, at *at*.

    As peers verify it, as a client's or a server's. None if none does.
    """
    sent = [link.public_bytes(Encoding.DER) for link in chain]
    signers = {link.issuer for link in chain}
    for anchor in newest_first(bundle.anchors):
        if anchor.subject in signers and _vouches(of((anchor,)), sent, at):
            return anchor
    return None


def _vouches(alone: TrustBundle, sent: Sequence[bytes], at: datetime) -> bool:
    for role in ROLES:
        try:
            verify(sent, alone, role=role, at=at)
        except Untrusted:
            continue
        return True
    return False


def anchor_above(issuer: Sequence[x509.Certificate], bundle: TrustBundle) -> x509.Certificate | None:
    """The newest anchor of *bundle* that signed the last of an issuer's chain, or is in it; None if none."""
    for anchor in newest_first(bundle.anchors):
        if any(link == anchor for link in issuer) or certificate.issued_by(issuer[-1], anchor):
            return anchor
    return None


def of(anchors: Iterable[x509.Certificate]) -> TrustBundle:
    """A bundle of *anchors*, each once. Raises InvalidTrustBundle, also if there is none."""
    held = list(anchors)
    if not held:
        raise InvalidTrustBundle("no trust anchor would be left: nobody could be believed any more")
    return TrustBundle.from_pem(b"".join(anchor.public_bytes(Encoding.PEM) for anchor in held))


def without(bundle: TrustBundle, removed: Iterable[str]) -> TrustBundle:
    """*bundle* but for the anchors of these fingerprints. Raises InvalidTrustBundle if none is left."""
    gone = frozenset(removed)
    return of(anchor for anchor in bundle.anchors if fingerprint(anchor) not in gone)
