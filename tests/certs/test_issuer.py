"""An issuer is tried before it is used, and then peers take each of its leaves."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from certs import authority
from certs.authority import Authority, CannotIssue, make_issuer, make_root, new_key
from certs.identity import Identity, InvalidIdentity
from certs.issuer import Issuer, Settings, read_issuer
from certs.trust_bundle import TrustBundle
from certs.verification import verify
from tests.support.pki import DAY, Pki

PKI = Pki.make("east.jackstay")
SETTINGS = Settings("jackstay", "east.jackstay")
WEB = PKI.identity("web.test")
KEY = new_key().public_key()


def constrained(root: Authority, constraints: x509.NameConstraints) -> Authority:
    """An issuer under *root* with *constraints* of any form."""
    made = make_issuer("identity.test", root, now=PKI.now - DAY)
    builder = (
        x509.CertificateBuilder()
        .subject_name(made.certificate.subject)
        .issuer_name(made.certificate.issuer)
        .public_key(made.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(made.certificate.not_valid_before_utc)
        .not_valid_after(made.certificate.not_valid_after_utc)
    )
    for extension in made.certificate.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    builder = builder.add_extension(constraints, critical=True)
    return Authority(builder.sign(root.key, hashes.SHA256()), made.key)


def tried(issuer: Authority, bundle: TrustBundle = PKI.bundle, settings: Settings = SETTINGS) -> Issuer:
    return Issuer.tried(issuer, bundle, settings, PKI.now)


def test_what_it_signs_peers_take() -> None:
    chain = tried(PKI.issuer).sign(WEB, KEY, PKI.now)
    sent = [link.public_bytes(Encoding.DER) for link in chain]
    assert verify(sent, PKI.bundle, role="client", at=PKI.now).identity == WEB.dns_name
    assert verify(sent, PKI.bundle, role="server", at=PKI.now).identity == WEB.dns_name


def test_an_issuer_of_other_anchors_is_refused() -> None:
    with pytest.raises(CannotIssue, match="peers would refuse what it signs"):
        tried(Pki.make("east.jackstay").issuer)


def test_an_issuer_of_another_trust_domain_is_refused() -> None:
    west = make_issuer("west", PKI.root, now=PKI.now, trust_domain="west.jackstay")
    with pytest.raises(CannotIssue, match=r"bound to west\.jackstay"):
        tried(west)


def test_a_leaf_is_no_issuer() -> None:
    leaf = PKI.leaf("web.test")
    with pytest.raises(CannotIssue, match="basic constraints"):
        read_issuer(leaf.certificate_pem, leaf.key_pem)


@pytest.mark.parametrize(
    ("chain", "key"),
    [
        (b"", PKI.issuer.key_pem),
        (PKI.issuer.pem, b""),
        (PKI.issuer.pem, PKI.root.key_pem),
        (PKI.issuer.pem[:-100], PKI.issuer.key_pem),
        (PKI.issuer.pem, PKI.issuer.key_pem[:100]),
        (b"\0" * 100, PKI.issuer.key_pem),
    ],
    ids=["no chain", "no key", "another's key", "half a chain", "half a key", "no PEM"],
)
def test_an_issuer_that_cannot_be_read_is_refused(chain: bytes, key: bytes) -> None:
    with pytest.raises(CannotIssue):
        read_issuer(chain, key)


def test_a_control_namespace_that_can_be_in_no_name_is_refused() -> None:
    with pytest.raises(InvalidIdentity):
        tried(PKI.issuer, settings=Settings("no.label", "east.jackstay"))


def test_no_leaf_outlives_the_anchor_either() -> None:
    root = make_root("short", now=PKI.now - DAY, lifetime=DAY + timedelta(hours=3))
    root_key = root.key
    # An issuer that says to live longer than its anchor: not ours, but others make them.
    issuer = make_issuer("long", Authority(PKI.root.certificate, root_key), now=PKI.now - DAY)
    builder = (
        x509.CertificateBuilder()
        .subject_name(issuer.certificate.subject)
        .issuer_name(root.certificate.subject)
        .public_key(issuer.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(PKI.now - DAY)
        .not_valid_after(PKI.now + 300 * DAY)
    )
    for extension in issuer.certificate.extensions:
        value = extension.value
        if isinstance(value, x509.AuthorityKeyIdentifier):
            value = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
        builder = builder.add_extension(value, extension.critical)
    longer = Authority(builder.sign(root_key, hashes.SHA256()), issuer.key)
    bundle = TrustBundle.from_pem(root.pem)
    leaf = tried(longer, bundle).sign(WEB, KEY, PKI.now)[0]
    assert leaf.not_valid_after_utc == root.certificate.not_valid_after_utc


@pytest.mark.parametrize("late", [True, False])
def test_out_of_its_time_it_signs_nothing(late: bool) -> None:
    issuer = tried(PKI.issuer)
    at = issuer.not_after + timedelta(seconds=1) if late else issuer.not_before - timedelta(seconds=1)
    with pytest.raises(CannotIssue, match="not valid now"):
        issuer.sign(WEB, KEY, at)


DNS = x509.DNSName


@pytest.mark.parametrize(
    ("constraints", "every"),
    [
        (None, True),
        (x509.NameConstraints([DNS("east.jackstay")], None), True),
        (x509.NameConstraints([DNS("jackstay")], None), True),
        (x509.NameConstraints([DNS("west.jackstay"), DNS("east.jackstay")], None), True),
        (x509.NameConstraints([DNS("jackstay.east.jackstay")], None), False),
        (x509.NameConstraints([DNS("east.jackstay")], [DNS("web.test.serviceaccount")]), False),
        (x509.NameConstraints(None, [DNS("west.jackstay")]), False),
    ],
)
def test_whether_each_leaf_is_tried_follows_from_the_constraints(
    constraints: x509.NameConstraints | None, every: bool
) -> None:
    made = constrained(PKI.root, constraints) if constraints else PKI.issuer
    assert tried(made).every_name is every


def test_a_name_that_the_issuer_may_not_speak_for_gets_no_leaf() -> None:
    excluded = constrained(PKI.root, x509.NameConstraints(None, [DNS(WEB.dns_name)]))
    issuer = tried(excluded)
    assert issuer.sign(PKI.identity("api.test"), KEY, PKI.now)
    with pytest.raises(CannotIssue, match="peers would refuse"):
        issuer.sign(WEB, KEY, PKI.now)
    others = constrained(PKI.root, x509.NameConstraints([DNS("identity.jackstay.east.jackstay")], None))
    elsewhere = Identity("web", "test", "other", "east.jackstay")
    with pytest.raises(CannotIssue, match="may not speak for"):
        tried(others).sign(elsewhere, KEY, PKI.now)


def test_a_constraint_of_the_anchor_counts_too() -> None:
    anchor = constrained(PKI.root, x509.NameConstraints(None, [DNS("west.jackstay")]))
    bundle = TrustBundle((*PKI.bundle.anchors, anchor.certificate), b"", "", PKI.bundle.store)
    assert not tried(PKI.issuer, bundle).every_name


def test_its_own_leaf_is_the_services() -> None:
    own = tried(PKI.issuer).own_credentials(PKI.now)
    assert own.identity == "jackstay-identity.jackstay.serviceaccount.identity.jackstay.east.jackstay"
    assert own.not_after == (PKI.now + authority.LEAF_LIFETIME).replace(microsecond=0)
