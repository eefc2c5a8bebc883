"""The trust anchors: whoever they vouch for, and nobody else, may come in."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import Store

from certs import certificate, pem
from certs.certificate import InvalidCertificate

MOST_ANCHORS = 100


class InvalidTrustBundle(ValueError):
    """The bytes cannot serve as trust anchors; says what is wrong."""


@dataclass(frozen=True, slots=True)
class TrustBundle:
    """One or more self-signed authorities, each once, in the order of the file."""

    anchors: tuple[x509.Certificate, ...]
    pem: bytes = field(repr=False)
    """The anchors and nothing else, as PEM."""
    digest: str
    """SHA-256 over the anchors in sorted order: the same for the same set."""
    store: Store = field(repr=False, compare=False)
    """The same, for `cryptography`'s verifier."""

    @classmethod
    def from_pem(cls, data: bytes, *, at: datetime | None = None) -> Self:
        """Read *data*. With *at*, also refuses a bundle none of whose anchors is valid then."""
        try:
            blocks = pem.blocks(data)
        except pem.InvalidPem as error:
            raise InvalidTrustBundle(f"the trust anchors cannot be read: {error}") from error
        found: dict[bytes, x509.Certificate] = {}
        for number, block in enumerate(blocks, 1):
            found.setdefault(block.body, _anchor(block, number))
        if len(found) > MOST_ANCHORS:
            raise InvalidTrustBundle(f"{len(found)} trust anchors are over {MOST_ANCHORS}")
        anchors = tuple(found.values())
        if at is not None and not any(certificate.valid_at(anchor, at) for anchor in anchors):
            raise InvalidTrustBundle("no trust anchor is valid now: all have expired or are not valid yet")
        return cls(
            anchors,
            b"".join(anchor.public_bytes(Encoding.PEM) for anchor in anchors),
            hashlib.sha256(b"".join(sorted(found))).hexdigest(),
            Store(list(anchors)),
        )


def _anchor(block: pem.Block, number: int) -> x509.Certificate:
    if "PRIVATE KEY" in block.label:
        raise InvalidTrustBundle(
            "a private key stands among the trust anchors, which everybody may read: take it out, "
            "and if the file was shared already, make a new anchor"
        )
    if block.label not in certificate.LABELS:
        raise InvalidTrustBundle(f"block {number} is a {block.label}, not a CERTIFICATE")
    try:
        anchor = certificate.parse(block.body)
        certificate.check_anchor(anchor)
    except InvalidCertificate as error:
        raise InvalidTrustBundle(f"trust anchor {number}: {error}") from error
    return anchor
