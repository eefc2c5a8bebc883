import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from certs.credentials import Credentials, InvalidCredentials, key_pem
from tests.certs.forge import but, dns, forge, named
from tests.support.pki import DAY, Pki

PKI = Pki.make()
WEB = PKI.leaf("web.test")
OLD_FORM = PrivateFormat.TraditionalOpenSSL


def private(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, form: PrivateFormat) -> bytes:
    return key.private_bytes(Encoding.PEM, form, NoEncryption())


def test_a_leaf_its_issuer_and_its_key_are_credentials() -> None:
    credentials = Credentials.from_pem(WEB.certificate_pem, WEB.key_pem)
    assert credentials.identity == WEB.identity
    assert credentials.leaf == credentials.chain[0]
    assert credentials.not_after == credentials.leaf.not_valid_after_utc
    assert credentials.chain_pem == WEB.certificate_pem


def test_a_chain_that_ends_before_its_leaf_bounds_both() -> None:
    long = PKI.leaf("web.test").credentials
    assert long.not_after <= PKI.issuer.certificate.not_valid_after_utc


def test_credentials_end_soon_when_a_third_of_their_life_is_left() -> None:
    assert not WEB.credentials.ends_soon(PKI.now + 0.6 * DAY)
    assert WEB.credentials.ends_soon(PKI.now + 0.75 * DAY)
    assert WEB.credentials.ends_soon(PKI.now + 2 * DAY)


def test_the_key_is_never_shown() -> None:
    assert "PRIVATE" not in repr(WEB.credentials)
    assert WEB.key_pem.splitlines()[1].decode() not in repr(WEB.credentials)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, OLD_FORM])
def test_both_forms_of_a_key_are_read(form: PrivateFormat) -> None:
    made = forge()
    assert isinstance(made.key, ec.EllipticCurvePrivateKey)
    assert Credentials.from_pem(made.pem, private(made.key, form)).identity


def test_a_key_as_openssl_ecparam_writes_it_is_read(tmp_path: Path) -> None:
    made = forge()
    assert isinstance(made.key, ec.EllipticCurvePrivateKey)
    parameters = subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1"], capture_output=True, check=True
    ).stdout
    assert Credentials.from_pem(made.pem, parameters + private(made.key, OLD_FORM)).identity


def test_both_may_stand_in_one_file() -> None:
    both = WEB.key_pem + WEB.certificate_pem
    assert Credentials.from_pem(both, both) == WEB.credentials


def locked(key: ec.EllipticCurvePrivateKey, form: PrivateFormat) -> bytes:
    return key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"secret"))


LEAF, ISSUER = WEB.credentials.chain
CHAIN = WEB.certificate_pem
WEAK = rsa.generate_private_key(65537, 1024)
NEW = ec.generate_private_key(ec.SECP256R1())
BROKEN = {
    "another's key": (CHAIN, PKI.leaf("web.test").key_pem, "does not belong"),
    "two keys": (CHAIN, WEB.key_pem * 2, "2 private keys"),
    "no key": (CHAIN, CHAIN, "0 private keys"),
    "no certificate": (WEB.key_pem, WEB.key_pem, "no CERTIFICATE, only: PRIVATE KEY"),
    "an encrypted key": (CHAIN, locked(NEW, PrivateFormat.PKCS8), "encrypted"),
    "an encrypted key of the old form": (CHAIN, locked(NEW, OLD_FORM), "encrypted"),
    "a damaged key": (
        CHAIN,
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "damaged or of an unknown kind",
    ),
    "an Ed25519 key": (
        CHAIN,
        private(ed25519.Ed25519PrivateKey.generate(), PrivateFormat.PKCS8),
        "the private key is Ed25519",
    ),
    "a weak key": (
        forge(leaf=but(key=WEAK)).pem,
        key_pem(WEAK),
        "the private key is RSA 1024; taken are ECDSA P-256 and P-384, and RSA 2048 to 4096",
    ),
    "the issuer first": (
        ISSUER.public_bytes(Encoding.PEM) + LEAF.public_bytes(Encoding.PEM),
        WEB.key_pem,
        "certificate 1 is not signed by certificate 2",
    ),
    "another PKI's issuer": (
        LEAF.public_bytes(Encoding.PEM) + Pki.make().issuer.pem,
        WEB.key_pem,
        "certificate 1 is not signed by certificate 2",
    ),
    "six certificates": (CHAIN * 3, WEB.key_pem, "6 certificates are more"),
    "an authority's": (PKI.issuer.pem, PKI.issuer.key_pem, "names nobody"),
}


@pytest.mark.parametrize(("chain", "key", "said"), BROKEN.values(), ids=BROKEN)
def test_what_does_not_fit_together_is_refused_with_the_reason(chain: bytes, key: bytes, said: str) -> None:
    with pytest.raises(InvalidCredentials, match=said) as refused:
        Credentials.from_pem(chain, key)
    assert "BEGIN" not in str(refused.value)


def test_a_host_name_is_no_identity() -> None:
    made = forge(leaf=named(dns("web.example.com")))
    assert isinstance(made.key, ec.EllipticCurvePrivateKey)
    with pytest.raises(InvalidCredentials, match="cannot be a workload's"):
        Credentials.from_pem(made.pem, private(made.key, PrivateFormat.PKCS8))
