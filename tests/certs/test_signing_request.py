import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from certs.authority import new_key
from certs.identity import Identity
from certs.signing_request import InvalidRequest, make, read
from tests.certs.forge import dns, uri

WEB = Identity("web", "test", "jackstay", "cluster.local")
LONG = Identity("linkerd-gateway", "linkerd-multicluster", "linkerd", "cluster.local")
KEY = new_key()
GOOD = make(WEB, KEY)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def requested(
    *names: x509.GeneralName,
    subject: tuple[tuple[x509.ObjectIdentifier, str], ...] = (),
    key: Key = KEY,
    extensions: tuple[x509.ExtensionType, ...] = (),
) -> bytes:
    attributes = [x509.NameAttribute(oid, value, _validate=False) for oid, value in subject]
    builder = x509.CertificateSigningRequestBuilder(x509.Name(attributes))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, digest).public_bytes(Encoding.PEM)


def test_the_key_of_a_good_request_comes_back() -> None:
    assert read(GOOD, WEB) == KEY.public_key()


def test_a_common_name_that_says_the_same_is_taken() -> None:
    subject = ((NameOID.COMMON_NAME, WEB.dns_name),)
    assert read(requested(dns(WEB.dns_name), subject=subject), WEB) == KEY.public_key()


@pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning")
def test_a_common_name_of_82_characters_as_linkerd_sends_it_is_taken() -> None:
    subject = ((NameOID.COMMON_NAME, LONG.dns_name),)
    assert read(requested(dns(LONG.dns_name), subject=subject), LONG) == KEY.public_key()


def test_what_else_it_asks_for_is_not_looked_at() -> None:
    greedy = requested(dns(WEB.dns_name), extensions=(x509.BasicConstraints(True, None),))
    assert read(greedy, WEB) == KEY.public_key()


def flipped(data: bytes) -> bytes:
    """*data* with its signature broken."""
    request = x509.load_pem_x509_csr(data)
    der = bytearray(request.public_bytes(Encoding.DER))
    der[-1] ^= 1
    return x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM)


BAD = {
    "empty": (b"", "empty"),
    "garbage": (b"hello", "no PEM block"),
    "a certificate": (GOOD.replace(b"CERTIFICATE REQUEST", b"CERTIFICATE"), "one PEM block"),
    "two requests": (GOOD * 2, "one PEM block"),
    "cut": (GOOD[:200], "cut off"),
    "not DER": (
        b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        "damaged",
    ),
    "too long": (GOOD + b"\n" * 20_000, "over"),
    "signed by another": (flipped(GOOD), "not signed"),
    "no name": (requested(), "asks for no name"),
    "another's name": (requested(dns(LONG.dns_name)), "one DNS name"),
    "a name beside": (requested(dns(WEB.dns_name), dns(LONG.dns_name)), "one DNS name"),
    "the name twice": (requested(dns(WEB.dns_name), dns(WEB.dns_name)), "one DNS name"),
    "a URI beside": (requested(dns(WEB.dns_name), uri(WEB.spiffe_uri)), "one DNS name"),
    "a URI alone": (requested(uri(WEB.spiffe_uri)), "one DNS name"),
    "upper case": (requested(dns(WEB.dns_name.upper())), "one DNS name"),
    "another common name": (
        requested(dns(WEB.dns_name), subject=((NameOID.COMMON_NAME, "admin"),)),
        "subject",
    ),
    "an organisation": (
        requested(dns(WEB.dns_name), subject=((NameOID.ORGANIZATION_NAME, "system:masters"),)),
        "subject",
    ),
    "RSA": (requested(dns(WEB.dns_name), key=rsa.generate_private_key(65537, 2048)), "RSA 2048"),
    "P-384": (requested(dns(WEB.dns_name), key=ec.generate_private_key(ec.SECP384R1())), "P-384"),
    "Ed25519": (requested(dns(WEB.dns_name), key=ed25519.Ed25519PrivateKey.generate()), "Ed25519"),
}


@pytest.mark.parametrize(("data", "said"), BAD.values(), ids=BAD)
def test_a_request_for_anything_else_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        read(data, WEB)


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(deadline=None)
@given(st.integers(min_value=0, max_value=len(GOOD) - 1), st.integers(min_value=0, max_value=255))
def test_no_changed_byte_gets_another_key_certified(position: int, byte: int) -> None:
    changed = bytearray(GOOD)
    changed[position] = byte
    try:
        key = read(bytes(changed), WEB)
    except InvalidRequest:
        return
    assert key == KEY.public_key()
