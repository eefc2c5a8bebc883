import ssl
from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from certs.credentials import key_pem
from certs.inspection import Report, inspect, opened
from certs.trust_bundle import TrustBundle
from tests.certs.forge import CLIENT, NOW, Draft, but, dns, forge, having, named, without
from tests.support.pki import DAY, Pki

PKI = Pki.make(now=NOW)
EAST = Pki.make("east.jackstay", now=NOW, constrained=True)
WEB = PKI.leaf("web.test")
EVERYONE = "every workload and every gateway of all clusters (it is bound to no trust domain)"


def report(*files: bytes, bundle: TrustBundle | None = None, at: timedelta = timedelta(0)) -> Report:
    """Of the first of *files*."""
    read = [opened(f"file {number}", data) for number, data in enumerate(files)]
    return inspect(read, at=NOW + at, bundle=bundle)[0]


def test_a_chain_is_shown_from_the_leaf_upwards() -> None:
    shown = report(WEB.certificate_pem + PKI.anchors_pem, bundle=PKI.bundle)
    assert [link.kind for link in shown.certificates] == ["leaf", "issuer", "trust anchor"]
    leaf = shown.certificates[0]
    assert (leaf.identity, leaf.spiffe) == (WEB.identity, "spiffe://cluster.local/ns/test/sa/web")
    assert (leaf.key, leaf.signature, leaf.left) == ("ECDSA P-256", "ECDSA-SHA256", "24 hours")
    assert (shown.wrong, shown.warnings) == ((), ())


@pytest.mark.parametrize(
    ("data", "speaks_for"),
    [
        (
            PKI.anchors_pem,
            EVERYONE,
        ),
        (PKI.issuer.pem, EVERYONE),
        (EAST.issuer.pem, "workloads and gateways of trust domain east.jackstay only"),
        (WEB.certificate_pem, "itself"),
        (forge(leaf=named(dns("x"))).pem, "nobody: its names are not taken"),
    ],
)
def test_it_says_for_whom_each_can_speak(data: bytes, speaks_for: str) -> None:
    assert report(data).certificates[0].speaks_for == speaks_for


def test_a_key_alone_is_shown_by_its_kind() -> None:
    assert report(WEB.key_pem).keys == ("ECDSA P-256",)


def test_a_key_is_compared_with_the_certificates_of_all_files() -> None:
    assert report(WEB.key_pem, WEB.certificate_pem).wrong == ()
    other = PKI.leaf("web.test")
    assert "belongs to none" in report(WEB.key_pem, other.certificate_pem).wrong[0]


def test_several_anchors_are_a_bundle_and_no_chain() -> None:
    assert report(PKI.anchors_pem + EAST.anchors_pem).wrong == ()


def test_what_ends_soon_is_a_warning_and_no_fault() -> None:
    shown = report(WEB.certificate_pem, at=timedelta(hours=20, minutes=1))
    assert shown.wrong == ()
    assert shown.warnings == ("certificate 1 (leaf) ends in 3 hours: renew it",)


def plain_subject(draft: Draft) -> Draft:
    names, _ = draft.extensions[x509.SubjectAlternativeName]
    return but(subject="linkerd-gateway")(having(names)(draft))


def test_a_common_name_is_shown_though_nobody_reads_it() -> None:
    assert report(forge(leaf=plain_subject).pem).certificates[0].subject == "CN=linkerd-gateway"


def test_a_leaf_that_is_a_client_only_is_a_warning() -> None:
    made = forge(leaf=having(x509.ExtendedKeyUsage([CLIENT])))
    shown = report(made.pem, bundle=made.bundle)
    assert shown.wrong == ()
    assert len(shown.warnings) == 2
    assert all("server" in warning for warning in shown.warnings)


WEAK = rsa.generate_private_key(65537, 1024)
UNNAMED = PKI.root.certificate.public_bytes(Encoding.DER).replace(b"jackstay", b"jack\xff\xfe\xfd\xfc")
HOST = forge(leaf=named(dns("web.example.com")))
BAD: dict[str, tuple[Callable[[], Report], str]] = {
    "empty": (lambda: report(b""), "it is empty"),
    "text": (lambda: report(b"hello"), "no PEM block"),
    "cut off": (lambda: report(WEB.certificate_pem[:-30]), "cut off"),
    "a request": (
        lambda: report(PKI.anchors_pem.replace(b"CERTIFICATE", b"CERTIFICATE REQUEST")),
        "is a CERTIFICATE REQUEST",
    ),
    "a name that is no text": (
        lambda: report(ssl.DER_cert_to_PEM_cert(UNNAMED).encode()),
        "block 1: a name in it cannot be read: it is damaged",
    ),
    "no DER": (
        lambda: report(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        "block 1: the certificate cannot be read: it is damaged; copy it anew, or make it anew",
    ),
    "expired": (lambda: report(WEB.certificate_pem, at=2 * DAY), "(leaf) has expired"),
    "not yet valid": (lambda: report(WEB.certificate_pem, at=-DAY), "(leaf) is not valid yet"),
    "upside down": (lambda: report(PKI.issuer.pem + WEB.certificate_pem), "is not signed by certificate 2"),
    "no identity": (lambda: report(HOST.pem), "'web.example.com' is not an identity"),
    "a nameless root": (
        lambda: report(forge(root=but(subject="")).root.public_bytes(Encoding.PEM)),
        "(trust anchor): its subject is empty",
    ),
    "a nameless issuer": (
        lambda: report(forge(issuer=but(subject="")).pem),
        "(issuer): its subject is empty",
    ),
    "a weak key": (
        lambda: report(key_pem(WEAK)),
        "block 1: the private key is RSA 1024; taken are ECDSA P-256 and P-384, and RSA 2048 to 4096",
    ),
    "a weak leaf": (
        lambda: report(forge(leaf=but(key=WEAK)).pem),
        "certificate 1 (leaf): its key is RSA 1024; taken are",
    ),
    "no purpose": (
        lambda: report(forge(leaf=without(x509.ExtendedKeyUsage)).pem),
        "(leaf), as a server's: its extended key usage",
    ),
    "other anchors": (
        lambda: report(WEB.certificate_pem, bundle=EAST.bundle),
        "peers would refuse it as a client: no trust anchor vouches",
    ),
    "an issuer of other anchors": (
        lambda: report(PKI.issuer.pem, bundle=EAST.bundle),
        "none of the trust anchors signed it",
    ),
}


def test_what_is_wrong_at_both_ends_is_said_once() -> None:
    assert report(forge(leaf=but(key=WEAK)).pem).wrong == (
        "certificate 1 (leaf): its key is RSA 1024; taken are ECDSA P-256 and P-384, and RSA 2048 to 4096",
    )


@pytest.mark.parametrize(("made", "said"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_said(made: Callable[[], Report], said: str) -> None:
    assert any(said in sentence for sentence in made().wrong), made().wrong
