"""Keys of a kind or size that is not taken, signatures over weak hashes, and signatures of somebody else."""

from collections.abc import Callable, Sequence
from functools import lru_cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

from tests.certs.forge import Change, Draft, Forged, but, same
from tests.certs.table import Case, bad
from tests.certs.table.asn1 import BITS, SEQUENCE, openssl_signature, parts, tlv

TWO = {"issuers": 2}


@lru_cache
def rsa_key(bits: int, exponent: int = 65537) -> rsa.RSAPrivateKey:
    """Made once: it takes a second for the large ones."""
    return rsa.generate_private_key(exponent, bits)


@lru_cache
def dsa_key() -> dsa.DSAPrivateKey:
    return dsa.generate_private_key(2048)


def with_rsa(bits: int, exponent: int = 65537) -> Change:
    return lambda draft: but(key=rsa_key(bits, exponent))(draft)


def with_curve(curve: ec.EllipticCurve) -> Change:
    return lambda draft: but(key=ec.generate_private_key(curve))(draft)


def with_dsa(draft: Draft) -> Draft:
    return but(key=dsa_key())(draft)


P521 = ec.generate_private_key(ec.SECP521R1())
_CURVES: dict[str, ec.EllipticCurve] = {
    "P-192": ec.SECP192R1(),
    "P-224": ec.SECP224R1(),
    "secp256k1": ec.SECP256K1(),
    "brainpool 256": ec.BrainpoolP256R1(),
    "brainpool 384": ec.BrainpoolP384R1(),
}
_TLS_SIGNS_WITH = ("brainpool 256", "brainpool 384")
"""Curves of which a leaf can at least be shown."""

_SAID = "key is|no trust anchor|cannot be read"

_WEAK = {
    ("sha1", "EC"): "300906072a8648ce3d0401",
    ("sha1", "RSA"): "300d06092a864886f70d0101050500",
    ("md5", "RSA"): "300d06092a864886f70d0101040500",
}
"""Algorithm identifiers of RFC 3279, section 2.2."""


def _signed_over(digest: str) -> Callable[[Forged], Sequence[bytes]]:
    """The leaf signed over a hash that `cryptography` does not sign over any more, by openssl."""

    def sent(made: Forged) -> Sequence[bytes]:
        kind = "RSA" if isinstance(made.signer, rsa.RSAPrivateKey) else "EC"
        algorithm = bytes.fromhex(_WEAK[digest, kind])
        inside = parts(made.certificates[0].tbs_certificate_bytes)
        signed = tlv(SEQUENCE, b"".join([*inside[:2], algorithm, *inside[3:]]))
        leaf = signed + algorithm + tlv(BITS, b"\0" + openssl_signature(signed, made.signer, digest))
        return [tlv(SEQUENCE, leaf), *made.chain[1:]]

    return sent


ROWS: list[Case] = [
    bad("RSA 1024 leaf", "RSA 1024", leaf=with_rsa(1024)),
    bad("RSA 1024 issuer", "RSA 1024", issuer=with_rsa(1024)),
    bad("RSA 1024 upper issuer", "RSA 1024", base=TWO, top=with_rsa(1024)),
    bad("RSA 1536 leaf", "RSA 1536", leaf=with_rsa(1536)),
    bad("RSA 2040 leaf", "RSA 2040", leaf=with_rsa(2040)),
    bad("RSA 5120 leaf", "RSA 5120", leaf=with_rsa(5120)),
    bad("RSA 5120 issuer", "RSA 5120", issuer=with_rsa(5120)),
    bad("RSA with exponent 3, leaf", "RSA 2048|exponent", leaf=with_rsa(2048, 3)),
    bad("RSA with exponent 3, issuer", "RSA 2048|exponent", issuer=with_rsa(2048, 3)),
    bad("P-521 leaf", "key is", leaf=but(key=P521)),
    bad("P-521 issuer", "key is", issuer=but(key=P521)),
    bad("Ed25519 leaf", "Ed25519", leaf=lambda d: but(key=ed25519.Ed25519PrivateKey.generate())(d)),
    bad("Ed448 leaf", "Ed448", leaf=lambda d: but(key=ed448.Ed448PrivateKey.generate())(d)),
    bad(
        "Ed25519 issuer",
        "ed25519|Ed25519",
        issuer=lambda d: but(key=ed25519.Ed25519PrivateKey.generate(), digest=None)(d),
    ),
    bad(
        "Ed448 issuer",
        "ed448|Ed448",
        issuer=lambda d: but(key=ed448.Ed448PrivateKey.generate(), digest=None)(d),
    ),
    bad("DSA leaf", "DSA", leaf=with_dsa),
    bad("DSA issuer", "DSA|dsa", issuer=with_dsa),
    *(
        bad(f"{name} leaf", _SAID, leaf=with_curve(curve), at_doors=name in _TLS_SIGNS_WITH)
        for name, curve in _CURVES.items()
    ),
    *(bad(f"{name} issuer", _SAID, issuer=with_curve(curve)) for name, curve in _CURVES.items()),
    bad("SHA-224 of the issuer", "SHA224", issuer=but(digest=hashes.SHA224())),
    bad("SHA-224 of the upper issuer", "SHA224", base=TWO, top=but(digest=hashes.SHA224())),
    bad("SHA-224 of the root over the issuer", "SHA224", root=but(digest=hashes.SHA224())),
    bad(
        "SHA3 of the issuer", "SHA3|sha3|cannot be read|no trust anchor", issuer=but(digest=hashes.SHA3_256())
    ),
    bad(
        "leaf of P-224 under RSA",
        _SAID,
        base={"issuer": with_rsa(2048)},
        leaf=with_curve(ec.SECP224R1()),
        at_doors=False,
    ),
    *(
        bad(f"{digest} of {kind}", "taken are SHA", base={"issuer": issuer}, sent=_signed_over(digest))
        for digest, kind, issuer in (
            ("sha1", "an ECDSA issuer", same),
            ("sha1", "an RSA issuer", with_rsa(2048)),
            ("md5", "an RSA issuer", with_rsa(2048)),
        )
    ),
]
