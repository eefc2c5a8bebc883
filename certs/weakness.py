"""What is taken by peers, and still better otherwise: weak keys, authorities for everything, long lives."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from certs import certificate
from certs.authority import constrained_to
from certs.lifetime import in_words

STRONG_RSA = 3072
LONGEST_LEAF = timedelta(days=91)
LONGEST_ISSUER = timedelta(days=2 * 366)
LONGEST_ANCHOR = timedelta(days=20 * 366)


def weaknesses(link: x509.Certificate) -> Iterator[str]:
    """What is weak in a certificate whatever the time is, each as a sentence about it."""
    if not certificate.is_authority(link):
        yield from _too_long(link, LONGEST_LEAF, "whoever steals its key has it for all that time")
        return
    key = link.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < STRONG_RSA:
        yield (
            f"its key is RSA {key.key_size}, the least that peers take, and it signs for years; "
            "make the next one with ECDSA P-256"
        )
    if certificate.issued_by(link, link):
        yield from _too_long(link, LONGEST_ANCHOR, "nobody will remember where its key is")
        return
    if constrained_to(link) is None:
        yield (
            "it is bound to no trust domain, so that it can speak for every workload of all clusters; "
            "make one for each cluster: jackstay certs issuer --trust-domain DOMAIN"
        )
    yield from _too_long(link, LONGEST_ISSUER, "make one for a year, and replace it")


def ends_soon(link: x509.Certificate, at: datetime) -> str | None:
    """That it has ended or will soon, as a sentence; None if there is time."""
    if at > link.not_valid_after_utc:
        return f"it has expired: it was valid {certificate.validity(link)}"
    if certificate.ends_soon(link, at):
        return f"it ends in {in_words(link.not_valid_after_utc - at)}: replace it"
    return None


def _too_long(link: x509.Certificate, most: timedelta, why: str) -> Iterator[str]:
    span = link.not_valid_after_utc - link.not_valid_before_utc
    if span > most:
        yield f"it is valid for {in_words(span)}, which is long: {why}"
