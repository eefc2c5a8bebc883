"""Chains that we did not make: openssl's, step's, Linkerd's, and some that only one verifier refuses."""

import ssl
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certs.authority import chain_pem, load_authority, make_issuer, make_leaf, make_root
from certs.credentials import Credentials, key_pem, read_chain, read_key
from certs.generation import Generation, load
from certs.identity import Identity
from certs.trust_bundle import TrustBundle
from certs.verification import Untrusted, peer_chain, verify
from tests.certs.forge import (
    Change,
    Forged,
    authority,
    but,
    dns,
    forge,
    having,
    leaf_draft,
    named,
    sans,
    sign,
    usage,
    without,
)
from tests.certs.handshake import handshake
from tests.support.pki import ALPN, Pki

PKI = Pki.make()
GATEWAY = PKI.leaf("jackstay-gateway.jackstay").credentials
LONG = Identity("linkerd-gateway", "linkerd-multicluster", "linkerd", "cluster.local")
ROLES: tuple[Literal["client", "server"], ...] = ("client", "server")


def now() -> datetime:
    # A second ahead: what was made this second, by a clock of whole seconds, is valid.
    return datetime.now(UTC) + timedelta(seconds=1)


def of(credentials: Credentials, bundle: TrustBundle) -> Generation:
    return Generation.build(1, credentials, bundle, alpn_server=ALPN, alpn_client=ALPN[:1])


def forged(made: Forged) -> Credentials:
    """*made* as credentials, whatever is wrong with it."""
    key = made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Credentials(made.certificates, "forged", made.pem, key)


def openssl(directory: Path, *lines: str) -> None:
    for line in lines:
        subprocess.run(["openssl", *line.split()], cwd=directory, check=True, capture_output=True)


KINDS = {
    "P-256": "ec -pkeyopt ec_paramgen_curve:P-256",
    "P-384": "ec -pkeyopt ec_paramgen_curve:P-384",
    "RSA 2048": "rsa:2048",
    "RSA 3072": "rsa:3072",
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_root_as_plain_openssl_makes_it_is_taken(tmp_path: Path, kind: str) -> None:
    openssl(
        tmp_path,
        f"req -x509 -newkey {kind} -nodes -keyout root.key -out root.crt -days 30 -subj /CN=root",
    )

    root = load_authority(
        read_chain((tmp_path / "root.crt").read_bytes()), read_key((tmp_path / "root.key").read_bytes())
    )
    bundle = TrustBundle.from_pem(root.pem)
    issuer = make_issuer("identity.jackstay", root, now=now())
    chain, key = make_leaf(LONG, issuer, now=now())
    mine = of(Credentials.from_pem(chain_pem(*chain), key_pem(key)), bundle)
    pair = handshake(mine.client, mine.server)
    peer = verify(peer_chain(pair.server), bundle, role="client", at=now())
    assert peer.identity == LONG.dns_name
    assert len(peer.identity) == 82


EXTENSIONS = """
[issuer]
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[leaf]
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
authorityKeyIdentifier = keyid
subjectAltName = DNS:web.test.serviceaccount.identity.jackstay.cluster.local
"""


def test_a_chain_made_by_openssl_alone_is_taken(tmp_path: Path) -> None:
    (tmp_path / "ext").write_text(EXTENSIONS)
    new = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    openssl(
        tmp_path,
        f"req -x509 {new} -keyout root.key -out root.crt -days 30 -subj /CN=root",
        f"req {new} -keyout issuer.key -out issuer.csr -subj /CN=issuer",
        "x509 -req -in issuer.csr -CA root.crt -CAkey root.key -CAcreateserial -days 20 -extfile ext "
        "-extensions issuer -out issuer.crt",
        f"req {new} -keyout web.key -out web.csr -subj /CN=web",
        "x509 -req -in web.csr -CA issuer.crt -CAkey issuer.key -CAcreateserial -days 1 -extfile ext "
        "-extensions leaf -out leaf.crt",
    )
    chain = (tmp_path / "leaf.crt").read_bytes() + (tmp_path / "issuer.crt").read_bytes()
    (tmp_path / "web.crt").write_bytes(chain)
    mine = load(
        tmp_path / "web.crt",
        tmp_path / "web.key",
        tmp_path / "root.crt",
        number=7,
        at=datetime.now(UTC),
        alpn_server=ALPN,
        alpn_client=ALPN,
    )
    pair = handshake(mine.client, mine.server)
    for end, role in zip((pair.server, pair.client), ROLES, strict=True):
        assert verify(peer_chain(end), mine.bundle, role=role, at=now()).spiffe is None


def test_a_chain_as_step_and_linkerd_make_it_is_taken() -> None:
    """step: EKU and a common name beside the SAN, pathlen 1 on the root; Linkerd: no basic constraints."""

    made = forge(
        root=lambda d: but(subject="root.linkerd.cluster.local")(
            having(x509.BasicConstraints(True, 1), critical=True)(d)
        ),
        issuer=lambda d: but(subject="identity.linkerd.cluster.local")(
            having(x509.BasicConstraints(True, 0), critical=True)(d)
        ),
        leaf=lambda d: but(subject="linkerd-gateway.linkerd-multicluster")(
            without(x509.BasicConstraints)(
                having(usage("digital_signature", "key_encipherment"), critical=True)(
                    having(sans(dns(LONG.dns_name)))(d)
                )
            )
        ),
    )
    mine = of(forged(made), made.bundle)
    pair = handshake(mine.client, mine.server)
    assert verify(peer_chain(pair.server), made.bundle, role="client", at=now()).identity == LONG.dns_name


def test_both_verifiers_hold_an_issuer_to_its_trust_domain() -> None:
    east = Pki.make("east.jackstay", constrained=True)
    # The issuer's key in hands that write what they like: a name of another domain.
    stolen = replace(authority("identity.jackstay.test"), key=east.issuer.key)
    draft = leaf_draft()
    west = sign(draft, (stolen, east.issuer.certificate))
    made = Forged((west, east.issuer.certificate), draft.key, east.root.certificate, stolen.key)
    client = of(forged(made), PKI.bundle).client
    with pytest.raises(ssl.SSLError, match="permitted subtree violation"):
        handshake(client, of(GATEWAY, east.bundle).server)
    with pytest.raises(Untrusted, match="may not speak for its name"):
        verify(made.chain, east.bundle, role="client", at=now())
    honest = east.generation("web.test")
    handshake(honest.client, honest.server)


NAME = "test.serviceaccount.identity.jackstay.cluster.local"
LET_IN: dict[str, Change] = {
    "no extended key usage": without(x509.ExtendedKeyUsage),
    "a NUL": named(dns(f"web\0.{NAME}")),
    "a wildcard": named(dns(f"*.{NAME}")),
    "two names": named(dns(f"web.{NAME}"), dns(f"api.{NAME}")),
    "a common name alone": lambda d: but(subject="web.test")(without(x509.SubjectAlternativeName)(d)),
}


@pytest.mark.parametrize("change", LET_IN.values(), ids=LET_IN)
def test_what_openssl_lets_in_is_refused_by_the_later_layers(change: Change) -> None:
    made = forge(leaf=change)
    pair = handshake(of(forged(made), PKI.bundle).client, of(GATEWAY, made.bundle).server)
    with pytest.raises(Untrusted):
        verify(peer_chain(pair.server), made.bundle, role="client", at=now())


def test_an_anchor_is_a_key_and_not_a_name() -> None:
    honest, impostor = (make_root("root.jackstay", now=now()) for _ in range(2))
    issuer = make_issuer("identity.jackstay", impostor, now=now())
    chain, key = make_leaf(LONG, issuer, now=now())
    bundle = TrustBundle.from_pem(honest.pem)
    theirs = of(Credentials.from_pem(chain_pem(*chain), key_pem(key)), bundle)
    with pytest.raises(ssl.SSLError):
        handshake(theirs.client, theirs.server)
    with pytest.raises(Untrusted):
        verify([link.public_bytes(Encoding.DER) for link in chain], bundle, role="client", at=now())
