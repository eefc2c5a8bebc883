from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from certs.authority import make_root
from certs.trust_bundle import InvalidTrustBundle, TrustBundle
from tests.certs.forge import Change, but, forge, having, usage, without
from tests.support.pki import Pki

PKI, OTHER = Pki.make(), Pki.make()


def test_each_anchor_counts_once() -> None:
    bundle = TrustBundle.from_pem(PKI.anchors_pem * 3 + OTHER.anchors_pem)
    assert bundle.anchors == (PKI.root.certificate, OTHER.root.certificate)
    assert bundle.pem == PKI.anchors_pem + OTHER.anchors_pem


def test_the_digest_is_that_of_the_set() -> None:
    one = TrustBundle.from_pem(PKI.anchors_pem + OTHER.anchors_pem)
    two = TrustBundle.from_pem(b"# turned round\n" + OTHER.anchors_pem + PKI.anchors_pem)
    assert one.digest == two.digest != PKI.bundle.digest


def test_a_bundle_of_expired_anchors_only_is_refused_when_asked() -> None:
    old = make_root("old", now=PKI.now - timedelta(days=3), lifetime=timedelta(days=1)).pem
    TrustBundle.from_pem(old)
    with pytest.raises(InvalidTrustBundle, match="no trust anchor is valid now"):
        TrustBundle.from_pem(old, at=PKI.now)
    assert len(TrustBundle.from_pem(old + PKI.anchors_pem, at=PKI.now).anchors) == 2


def test_a_private_key_among_the_anchors_is_an_alarm() -> None:
    with pytest.raises(InvalidTrustBundle, match="private key"):
        TrustBundle.from_pem(PKI.anchors_pem + PKI.root.key_pem)


def test_an_issuer_is_no_anchor() -> None:
    with pytest.raises(InvalidTrustBundle, match="trust anchor 2: it is not self-signed"):
        TrustBundle.from_pem(PKI.anchors_pem + PKI.issuer.pem)


def test_too_many_anchors_are_refused() -> None:
    many = b"".join(make_root(f"root {number}", now=PKI.now).pem for number in range(101))
    with pytest.raises(InvalidTrustBundle, match="101"):
        TrustBundle.from_pem(many)


BAD: dict[str, tuple[Change, str]] = {
    "a leaf": (having(x509.BasicConstraints(False, None), critical=True), "not an authority"),
    "no basic constraints": (without(x509.BasicConstraints), "not an authority"),
    "may not sign": (having(usage("digital_signature"), critical=True), "key usage"),
    "no name": (but(subject=""), "its subject is empty"),
    "RSA 1024": (but(key=rsa.generate_private_key(65537, 1024)), "RSA 1024"),
    "P-521": (but(key=ec.generate_private_key(ec.SECP521R1())), "secp521r1"),
    "Ed25519": (but(key=ed25519.Ed25519PrivateKey.generate(), digest=None), "Ed25519"),
}


@pytest.mark.parametrize(("change", "said"), BAD.values(), ids=BAD)
def test_what_cannot_be_an_anchor_is_refused(change: Change, said: str) -> None:
    root = forge(root=change, issuers=0).root
    with pytest.raises(InvalidTrustBundle, match=said):
        TrustBundle.from_pem(root.public_bytes(Encoding.PEM))
