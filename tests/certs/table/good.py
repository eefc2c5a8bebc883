"""Certificates that are taken: what people make with their own tools, in all lengths, with all keys."""

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from certs.pem import blocks
from tests.certs.forge import (
    CLIENT,
    NOW,
    SERVER,
    WEB,
    Change,
    authority,
    but,
    dns,
    forge,
    having,
    leaf_draft,
    named,
    sign,
    usage,
    without,
)
from tests.certs.table.example import Example, Make, forged, shown
from tests.certs.table.keys import rsa_key
from tests.certs.table.names import LONG
from tests.support.bare_tls import signing

P384 = ec.generate_private_key(ec.SECP384R1())

EXTENSIONS = f"""
[issuer]
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = AUTHORITY
[leaf]
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:{WEB.dns_name}
"""


def of_rsa(bits: int) -> Change:
    return lambda draft: but(key=rsa_key(bits))(draft)


def of_p384(digest: hashes.SHA256 | hashes.SHA512) -> Change:
    return lambda draft: but(key=P384, digest=digest)(draft)


def step() -> Make:
    """As `step certificate create` writes root, intermediate and leaf."""
    return forged(
        root=having(x509.BasicConstraints(True, 1), critical=True),
        issuer=having(x509.BasicConstraints(True, 0), critical=True),
        leaf=lambda d: but(subject=WEB.dns_name[:64])(
            without(x509.BasicConstraints)(having(x509.SubjectAlternativeName([dns(WEB.dns_name)]))(d))
        ),
    )


def linkerd() -> Example:
    """As Linkerd's identity controller issues it: 82 characters, no basic constraints, key encipherment."""
    made = forge(
        leaf=lambda d: but(subject=LONG.dns_name[:64])(
            without(x509.BasicConstraints)(
                having(usage("digital_signature", "key_encipherment"), critical=True)(
                    having(x509.SubjectAlternativeName([dns(LONG.dns_name)]))(d)
                )
            )
        )
    )
    return shown(made, identity=LONG.dns_name)


def by_openssl(kind: str, signer: str = "keyid") -> Make:
    """Root by plain `openssl req -x509`, the rest by `openssl x509 -req`; *signer* is how it is named."""

    def make() -> Example:
        with tempfile.TemporaryDirectory() as place:
            directory = Path(place)
            (directory / "ext").write_text(EXTENSIONS.replace("AUTHORITY", signer))
            for line in _lines(f"-newkey {kind} -nodes"):
                subprocess.run(["openssl", *line.split()], cwd=directory, check=True, capture_output=True)
            chain = [(directory / name).read_bytes() for name in ("leaf.crt", "issuer.crt")]
            key = load_pem_private_key((directory / "web.key").read_bytes(), None)
            anchors = (directory / "root.crt").read_bytes()
        return Example([blocks(one)[0].body for one in chain], signing(key), anchors)

    return make


def _lines(new: str) -> Iterator[str]:
    under = "-days 1 -extfile ext"
    yield f"req -x509 {new} -keyout root.key -out root.crt -days 30 -subj /CN=root"
    yield f"req {new} -keyout issuer.key -out issuer.csr -subj /CN=issuer"
    yield f"x509 -req -in issuer.csr -CA root.crt -CAkey root.key {under} -extensions issuer -out issuer.crt"
    yield f"req {new} -keyout web.key -out web.csr -subj /CN=web"
    yield f"x509 -req -in web.csr -CA issuer.crt -CAkey issuer.key {under} -extensions leaf -out leaf.crt"


def two_anchors(*, first: bool) -> Make:
    """The bundle holds another anchor too, before or behind the one that counts; both have one name."""

    def make() -> Example:
        one, other = shown(forge()), shown(forge()).anchors
        return replace(one, anchors=one.anchors + other if first else other + one.anchors)

    return make


def with_root() -> Example:
    made = forge()
    return shown(made, also=[made.root.public_bytes(Encoding.DER)])


def twice(place: int) -> Example:
    made = forge()
    chain = [*made.chain[: place + 1], *made.chain[place:]]
    return replace(shown(made), chain=chain)


def cross_signed() -> Example:
    """The new root, signed by the old one, is sent along to those who hold the new one as their anchor."""
    old, new, issuer, leaf = authority("old root"), authority("new root"), authority("issuer"), leaf_draft()
    anchor, crossed = sign(new, None), sign(new, (old, sign(old, None)))
    between = sign(issuer, (new, anchor))
    last = sign(leaf, (issuer, between))
    chain = [link.public_bytes(Encoding.DER) for link in (last, between, crossed)]
    return Example(chain, signing(leaf.key), anchor.public_bytes(Encoding.PEM))


GOOD: dict[str, Make] = {
    "as we make them": forged(),
    "no issuer between": forged(issuers=0),
    "two issuers": forged(issuers=2),
    "three issuers": forged(issuers=3),
    "five certificates": forged(issuers=4),
    "its root sent along": with_root,
    "its leaf said twice running, as openssl s_client does": lambda: twice(0),
    "its issuer said twice running": lambda: twice(1),
    "a new root signed by the old one sent along": cross_signed,
    "two anchors, the first counts": two_anchors(first=True),
    "two anchors, the second counts": two_anchors(first=False),
    "P-384 everywhere": forged(
        root=of_p384(hashes.SHA512()), issuer=of_p384(hashes.SHA512()), leaf=but(key=P384)
    ),
    "P-384 root": forged(root=of_p384(hashes.SHA256())),
    "RSA 2048 root": forged(root=of_rsa(2048)),
    "RSA 3072 root": forged(root=of_rsa(3072)),
    "RSA 4096 root": forged(root=of_rsa(4096)),
    "RSA 2048 issuer": forged(issuer=of_rsa(2048)),
    "RSA 4096 issuer over SHA-512": forged(issuer=lambda d: but(digest=hashes.SHA512())(of_rsa(4096)(d))),
    "RSA 2048 leaf": forged(leaf=of_rsa(2048)),
    "RSA 3072 leaf": forged(leaf=of_rsa(3072)),
    "RSA 2056, which is whole bytes": forged(leaf=of_rsa(2056)),
    "a root without key usage": forged(root=without(x509.KeyUsage)),
    "a root without key identifier": forged(root=but(key_identifiers=False)),
    "a root whose constraints are not critical": forged(root=having(x509.BasicConstraints(True, None))),
    "a root with a path length that fits": forged(root=having(x509.BasicConstraints(True, 1), critical=True)),
    "a leaf without key usage": forged(leaf=without(x509.KeyUsage)),
    "a leaf without basic constraints": forged(leaf=without(x509.BasicConstraints)),
    "a leaf that also may encipher keys": forged(
        leaf=having(usage("digital_signature", "key_encipherment"), critical=True)
    ),
    "a DNS name alone": forged(leaf=named(dns(WEB.dns_name))),
    "an issuer for both roles": forged(issuer=having(x509.ExtendedKeyUsage([SERVER, CLIENT]))),
    "an issuer bound to the trust domain": forged(
        issuer=having(x509.NameConstraints([dns("cluster.local")], None), critical=True)
    ),
    "a root bound to the trust domain": forged(
        root=having(x509.NameConstraints([dns("cluster.local")], None), critical=True)
    ),
    "a lifetime of ten years": forged(leaf=but(end=NOW + timedelta(days=3650))),
    "until 9999": forged(root=but(end=NOW.replace(year=9999)), leaf=but(end=NOW.replace(year=9999))),
    "step": step(),
    "Linkerd, 82 characters": linkerd,
    "openssl, P-256": by_openssl("ec -pkeyopt ec_paramgen_curve:P-256"),
    "openssl, P-384": by_openssl("ec -pkeyopt ec_paramgen_curve:P-384"),
    "openssl, RSA 2048": by_openssl("rsa:2048"),
    "openssl, the signer named by key and number": by_openssl(
        "ec -pkeyopt ec_paramgen_curve:P-256", "keyid:always, issuer:always"
    ),
}
