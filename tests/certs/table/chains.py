"""What is sent beside, instead of or in another order than the chain."""

from collections.abc import Sequence
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.certs.forge import Forged, but, forge, having
from tests.certs.table import Case, bad

TWO, FOUR = {"issuers": 2}, {"issuers": 4}


@lru_cache
def other() -> Forged:
    """Of other keys, and the same names."""
    return forge()


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _without_issuer(made: Forged) -> Sequence[bytes]:
    return made.chain[:1]


def _without_upper(made: Forged) -> Sequence[bytes]:
    return made.chain[:2]


def _without_lower(made: Forged) -> Sequence[bytes]:
    return [made.chain[0], made.chain[2]]


def _root_instead(made: Forged) -> Sequence[bytes]:
    return [made.chain[0], der(made.root)]


def _issuer_of_others(made: Forged) -> Sequence[bytes]:
    return [made.chain[0], other().chain[1]]


def _root_of_others(made: Forged) -> Sequence[bytes]:
    return [made.chain[0], der(other().root)]


def _padded(made: Forged) -> Sequence[bytes]:
    return [*made.chain, *[der(other().root)] * 5]


def _same_issuer_again(made: Forged) -> Sequence[bytes]:
    return [*made.chain, *[made.chain[1]] * 4]


_SAID = "no trust anchor|over 5"

ROWS: list[Case] = [
    bad("five issuers", "over 5", issuers=5),
    bad("six issuers", "over 5", issuers=6),
    bad("issuer missing", _SAID, sent=_without_issuer),
    bad("upper issuer missing", _SAID, base=TWO, sent=_without_upper),
    bad("lower issuer missing", _SAID, base=TWO, sent=_without_lower),
    bad("root sent instead of the issuer", _SAID, sent=_root_instead),
    bad("issuer of the same name and another key", _SAID, sent=_issuer_of_others),
    bad("root of others instead of the issuer", _SAID, sent=_root_of_others),
    bad("five certificates more than the chain", "over 5", sent=_padded),
    bad("the issuer five times", "over 5", sent=_same_issuer_again),
    bad(
        "more than 16 KiB",
        "over 5 and 16384",
        leaf=having(
            x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\4\x82\x40\0" + bytes(16384))
        ),
    ),
    bad("issuer named otherwise than the leaf says", "no trust anchor", leaf=but(signer_name="somebody")),
    bad("upper issuer named otherwise", "no trust anchor", base=TWO, top=but(signer_name="somebody")),
    bad(
        "leaf of another key of the same name",
        "another key",
        leaf=having(x509.AuthorityKeyIdentifier(b"another key of 20 b.", None, None)),
    ),
    bad("whole chain of others", _SAID, sent=lambda _: other().chain, at_doors=False),
]
