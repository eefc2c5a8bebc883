"""Keys of other kinds and sizes than are taken, and signatures over other hashes."""

import subprocess
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tests.certs.forge import Change, but
from tests.certs.table.by_hand import (
    ALGORITHM,
    KEY,
    OID,
    SEQUENCE,
    by_hand,
    put,
    tlv,
)
from tests.certs.table.example import Row, row

_row = partial(row, "keys")
Key = Callable[[], Any]


def openssl(*arguments: str) -> bytes:
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout


@cache
def rsa_key(bits: int, exponent: int = 65537) -> rsa.RSAPrivateKey:
    if exponent in (3, 65537):
        return rsa.generate_private_key(exponent, bits)
    size, public = f"rsa_keygen_bits:{bits}", f"rsa_keygen_pubexp:{exponent}"
    made = openssl("genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", size, "-pkeyopt", public)
    key = load_pem_private_key(made, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def on(curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve)


CURVES: dict[str, ec.EllipticCurve] = {
    "P-192": ec.SECP192R1(),
    "P-224": ec.SECP224R1(),
    "P-521": ec.SECP521R1(),
    "secp256k1": ec.SECP256K1(),
    "brainpoolP256r1": ec.BrainpoolP256R1(),
    "brainpoolP384r1": ec.BrainpoolP384R1(),
}
RSA = {
    "RSA 1024": (1024, 65537),
    "RSA 1536": (1536, 65537),
    "RSA 2040": (2040, 65537),
    "RSA 2052, no whole bytes": (2052, 65537),
    "RSA 4104": (4104, 65537),
    "RSA with exponent 3": (2048, 3),
    "RSA with exponent 17": (2048, 17),
    "RSA with exponent 65539": (2048, 65539),
    "RSA with an exponent of 33 bits": (2048, 2**32 + 15),
    "RSA with an exponent of 64 bits": (2048, 2**63 + 29),
}
_WEAK = "key|wrong curve|signed with|cannot be read|no trust anchor|algorithm|signature"


def having_key(make: Key, digest: Any = hashes.SHA256) -> Change:
    return lambda draft: but(key=make(), digest=digest() if digest is not None else None)(draft)


def _at(part: str, change: Change) -> dict[str, Any]:
    return {part: change}


def keys_of(part: str) -> list[Row]:
    """A *part* with each of the keys that are not taken; an issuer signs with it too."""
    rows = [
        _row(f"{part} on {name}", _WEAK, **_at(part, having_key(partial(on, curve))))
        for name, curve in CURVES.items()
    ]
    rows += [
        _row(f"{part} of {name}", _WEAK, **_at(part, having_key(partial(rsa_key, bits, exponent))))
        for name, (bits, exponent) in RSA.items()
    ]
    rows.append(
        _row(f"{part} of Ed25519", _WEAK, **_at(part, _edwards(part, ed25519.Ed25519PrivateKey.generate)))
    )
    rows.append(_row(f"{part} of Ed448", _WEAK, **_at(part, _edwards(part, ed448.Ed448PrivateKey.generate))))
    return rows


def _edwards(part: str, make: Key) -> Change:
    return having_key(make, None if part == "issuer" else hashes.SHA256)


@cache
def spelled_out() -> tuple[Any, bytes]:
    """A key on P-256, and how its public half looks with all parameters of the curve spelled out."""
    made = openssl("ecparam", "-name", "prime256v1", "-param_enc", "explicit", "-genkey", "-noout")
    key = load_pem_private_key(made, None)
    written = subprocess.run(
        ["openssl", "pkey", "-pubout", "-outform", "DER"], input=made, check=True, capture_output=True
    )
    return key, written.stdout


def written(kind: str) -> Row:
    """A good key in another form than the usual one."""
    key, spki = spelled_out() if kind == "explicit" else (ec.generate_private_key(ec.SECP256R1()), b"")
    if kind == "compressed":
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        kinds = tlv(
            SEQUENCE, tlv(OID, bytes.fromhex("2a8648ce3d0201")), tlv(OID, bytes.fromhex("2a8648ce3d030107"))
        )
        spki = tlv(SEQUENCE, kinds, tlv(3, b"\0", point))
    names = {"explicit": "a curve that is spelled out", "compressed": "a point that is compressed"}
    return Row(
        "keys",
        names[kind],
        "unusual form|plain form|TLS: |cannot be read",
        by_hand(put(KEY, spki), key=key),
        by_hand(key=key),
    )


def over(name: str, digest: hashes.HashAlgorithm, oid: str) -> Row:
    """A leaf that its issuer has signed over another hash."""
    algorithm = tlv(SEQUENCE, tlv(OID, bytes.fromhex(oid)))
    bad = by_hand(put(ALGORITHM, algorithm), outer=put(1, algorithm), digest=digest)
    return Row(
        "keys", f"leaf signed over {name}", "TLS: |taken are|no trust anchor|cannot be read", bad, by_hand()
    )


def dsa_key() -> Row:
    """A leaf whose public key is of DSA; nobody can prove in TLS 1.3 that it is his."""
    spki = _dsa().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Row("keys", "leaf of DSA", "TLS: ", by_hand(put(KEY, spki)), by_hand())


@cache
def _dsa() -> dsa.DSAPrivateKey:
    return dsa.generate_private_key(1024)


ROWS: list[Row] = [
    *keys_of("leaf"),
    *keys_of("issuer"),
    written("explicit"),
    written("compressed"),
    dsa_key(),
    over("SHA-1", hashes.SHA1(), "2a8648ce3d0401"),
    over("SHA-224", hashes.SHA224(), "2a8648ce3d040301"),
    over("SHA3-256", hashes.SHA3_256(), "60864801650304030a"),
    _row("issuer's signature over SHA-224", "TLS: |SHA|no trust", issuer=but(digest=hashes.SHA224())),
]
