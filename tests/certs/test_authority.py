"""What we make is as DESIGN says, and no authority signs what it may not."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.authority import (
    SKEW,
    Authority,
    CannotIssue,
    constrained_to,
    load_authority,
    make_issuer,
    make_leaf,
    make_root,
    new_key,
)
from certs.certificate import extension, key_type, signature_type
from certs.identity import Identity, InvalidIdentity
from certs.trust_bundle import TrustBundle
from certs.verification import verify
from tests.certs.forge import authority, but, forge, having, sign, usage

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
LONG = Identity("linkerd-gateway", "linkerd-multicluster", "linkerd", "cluster.local")
ROOT = make_root("root.jackstay", now=NOW)
ISSUER = make_issuer("identity.jackstay", ROOT, now=NOW)
(LEAF, *_), KEY = make_leaf(LONG, ISSUER, now=NOW)


@pytest.mark.parametrize(
    ("made", "lifetime"),
    [(ROOT.certificate, 3652 * DAY), (ISSUER.certificate, 365 * DAY), (LEAF, DAY)],
    ids=["anchor", "issuer", "leaf"],
)
def test_each_has_its_lifetime_its_key_and_its_signature(made: x509.Certificate, lifetime: timedelta) -> None:
    assert (made.not_valid_before_utc, made.not_valid_after_utc) == (NOW - SKEW, NOW + lifetime)
    assert key_type(made.public_key()) == "ECDSA P-256"
    assert signature_type(made) == "ECDSA-SHA256"


def test_a_leaf_is_named_by_its_alternative_names_alone() -> None:
    assert list(LEAF.subject) == []
    names = extension(LEAF, x509.SubjectAlternativeName)
    assert names is not None
    assert names.critical
    assert list(names.value) == [
        x509.DNSName(LONG.dns_name),
        x509.UniformResourceIdentifier(LONG.spiffe_uri),
    ]
    assert len(LONG.dns_name) == 82


def test_a_leaf_is_for_both_ends_and_signs_nothing() -> None:
    purposes, may = extension(LEAF, x509.ExtendedKeyUsage), extension(LEAF, x509.KeyUsage)
    assert purposes is not None
    assert may is not None
    assert set(purposes.value) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert may.value == usage("digital_signature")


def test_an_issuer_signs_leaves_only() -> None:
    constraints = extension(ISSUER.certificate, x509.BasicConstraints)
    assert constraints is not None
    assert constraints.value.path_length == 0
    with pytest.raises(CannotIssue, match="leaves only"):
        make_issuer("another", ISSUER, now=NOW)


@pytest.mark.parametrize(("trust_domain", "bound"), [("east.jackstay", ("east.jackstay",)), (None, None)])
def test_an_issuer_is_bound_to_its_trust_domain(
    trust_domain: str | None, bound: tuple[str, ...] | None
) -> None:
    issuer = make_issuer("identity", ROOT, now=NOW, trust_domain=trust_domain)
    assert constrained_to(issuer.certificate) == bound
    constraint = extension(issuer.certificate, x509.NameConstraints)
    assert (constraint is not None) == (bound is not None)
    assert constraint is None or constraint.critical


@pytest.mark.parametrize("domain", ["west.jackstay", "jackstay", "notest.east.jackstay.x", "xeast.jackstay"])
def test_a_bound_issuer_signs_for_no_other_domain(domain: str) -> None:
    issuer = make_issuer("identity", ROOT, now=NOW, trust_domain="east.jackstay")
    with pytest.raises(CannotIssue, match=r"bound to east\.jackstay"):
        make_leaf(Identity("web", "test", "jackstay", domain), issuer, now=NOW)
    for good in ("east.jackstay", "a.east.jackstay"):
        assert make_leaf(Identity("web", "test", "jackstay", good), issuer, now=NOW)


def test_a_trust_domain_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidIdentity):
        make_issuer("identity", ROOT, now=NOW, trust_domain="East")


def test_nothing_outlives_what_signed_it() -> None:
    root = make_root("root", now=NOW, lifetime=2 * DAY)
    issuer = make_issuer("issuer", root, now=NOW, lifetime=9 * DAY)
    (leaf, *_), _ = make_leaf(LONG, issuer, now=NOW, lifetime=9 * DAY)
    assert issuer.certificate.not_valid_after_utc == leaf.not_valid_after_utc == NOW + 2 * DAY


@pytest.mark.parametrize("at", [NOW - DAY, NOW + 366 * DAY], ids=["not yet valid", "expired"])
def test_an_authority_out_of_its_time_signs_nothing(at: datetime) -> None:
    with pytest.raises(CannotIssue, match="not valid now, but from 2026-03-01"):
        make_leaf(LONG, ISSUER, now=at)


def test_a_chain_through_two_issuers_is_whole_and_without_the_anchor() -> None:
    upper = forge_issuer(ROOT)
    lower = make_issuer("lower", upper, now=NOW)
    chain, _ = make_leaf(LONG, lower, now=NOW)
    assert chain[1:] == (lower.certificate, upper.certificate)
    sent = [link.public_bytes(Encoding.DER) for link in chain]
    assert verify(sent, TrustBundle.from_pem(ROOT.pem), role="client", at=NOW).identity == LONG.dns_name


def forge_issuer(root: Authority) -> Authority:
    """An issuer that may sign issuers, which `make_issuer` does not make."""
    draft = but(begin=NOW - DAY, end=NOW + DAY)(authority("upper"))
    signer = but(key=root.key)(authority("root.jackstay"))
    assert isinstance(draft.key, ec.EllipticCurvePrivateKey)
    return Authority(sign(draft, (signer, root.certificate)), draft.key)


@pytest.mark.parametrize("name", ["", "x" * 65])
def test_a_name_that_fits_no_certificate_is_refused(name: str) -> None:
    with pytest.raises(CannotIssue, match="1 to 64"):
        make_root(name, now=NOW)


def test_an_authority_is_read_only_with_its_own_key() -> None:
    assert load_authority((ISSUER.certificate,), ISSUER.key) == ISSUER
    with pytest.raises(CannotIssue, match="does not belong"):
        load_authority((ISSUER.certificate,), ROOT.key)
    with pytest.raises(CannotIssue, match="not an authority"):
        load_authority((LEAF,), KEY)


def test_an_authority_without_a_name_signs_nothing() -> None:
    draft = authority("")
    assert isinstance(draft.key, ec.EllipticCurvePrivateKey)
    with pytest.raises(CannotIssue, match="its subject is empty"):
        load_authority((sign(draft, None),), draft.key)


def test_a_root_that_may_not_sign_signs_nothing() -> None:
    made = forge(root=having(usage("crl_sign"), critical=True))
    key = new_key()
    with pytest.raises(CannotIssue, match="key usage"):
        make_issuer("issuer", Authority(made.root, key), now=datetime.now(UTC))


def test_a_key_is_never_shown() -> None:
    assert "PrivateKey" not in repr(ISSUER)
