"""What a process says of the certificate and the anchors that it uses."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from prometheus_client import CollectorRegistry

from certs import anchors
from certs.authority import Authority, make_issuer, make_root
from certs.trust_bundle import InvalidTrustBundle, TrustBundle
from certs.trust_metrics import (
    ANCHOR,
    ANCHOR_BEGINS,
    ANCHOR_ENDS,
    BUNDLE,
    CERTIFICATE,
    CERTIFICATE_ENDS,
    ISSUER,
    TrustMetrics,
)
from tests.support.pki import Pki

OLD, NEW = Pki.make(), Pki.make()
BOTH = anchors.of((OLD.root.certificate, NEW.root.certificate))
WEB = "web.test"


def fp(pki: Pki) -> str:
    return anchors.fingerprint(pki.root.certificate)


def shown(registry: CollectorRegistry, name: str) -> dict[tuple[str, ...], float]:
    """Label values, in order of the labels' names, and what they have."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == name
    }


def test_bundle_anchors_and_certificate_are_named() -> None:
    registry = CollectorRegistry()
    leaf = OLD.leaf(WEB)
    TrustMetrics(registry).uses(leaf.credentials, BOTH)
    assert shown(registry, BUNDLE) == {(BOTH.digest,): 1}
    assert shown(registry, ANCHOR) == {(fp(OLD),): 1, (fp(NEW),): 1}
    assert shown(registry, CERTIFICATE) == {(fp(OLD), leaf.identity): 1}
    assert shown(registry, CERTIFICATE_ENDS) == {(): leaf.credentials.not_after.timestamp()}
    root = OLD.root.certificate
    assert shown(registry, ANCHOR_BEGINS)[(fp(OLD),)] == root.not_valid_before_utc.timestamp()
    assert shown(registry, ANCHOR_ENDS)[(fp(OLD),)] == root.not_valid_after_utc.timestamp()


def test_what_was_held_before_is_said_no_longer() -> None:
    registry = CollectorRegistry()
    metrics = TrustMetrics(registry)
    metrics.told(OLD.generation(WEB))
    metrics.told(NEW.generation(WEB))
    metrics.told(None)
    assert shown(registry, BUNDLE) == {(NEW.bundle.digest,): 1}
    assert shown(registry, ANCHOR).keys() == {(fp(NEW),)}
    assert {anchor for anchor, _ in shown(registry, CERTIFICATE)} == {fp(NEW)}


def test_a_leaf_that_no_anchor_vouches_for_is_under_none() -> None:
    registry = CollectorRegistry()
    TrustMetrics(registry).uses(OLD.leaf(WEB).credentials, NEW.bundle)
    assert {anchor for anchor, _ in shown(registry, CERTIFICATE)} == {""}


def test_an_issuer_is_said_by_its_anchor_and_only_where_there_is_one() -> None:
    registry = CollectorRegistry()
    metrics = TrustMetrics(registry)
    assert not shown(registry, ISSUER)
    metrics.issues(OLD.issuer, BOTH)
    assert shown(registry, ISSUER) == {(fp(OLD),): 1}
    metrics.issues(NEW.issuer, BOTH)
    assert shown(registry, ISSUER) == {(fp(NEW),): 1}
    metrics.issues(NEW.issuer, OLD.bundle)
    assert shown(registry, ISSUER) == {("",): 1}


def test_of_two_anchors_with_one_name_and_key_the_newer_one_vouches() -> None:
    """A root that was made again with the same key, to last longer: nobody needs the old one."""
    now = datetime.now(UTC)
    old = make_root("root", now=now - timedelta(days=300))
    again = _again(old, now)
    issuer = make_issuer("identity", old, now=now - timedelta(days=1))
    pki = Pki(old, issuer, "cluster.local", now)
    bundle = anchors.of((old.certificate, again))
    chain = pki.leaf(WEB).credentials.chain
    assert anchors.anchor_of(chain, bundle, at=now) == again
    assert anchors.anchor_of(chain, pki.bundle, at=now) == old.certificate
    assert anchors.anchor_above((issuer.certificate,), bundle) == again


def _again(root: Authority, now: datetime) -> x509.Certificate:
    builder = x509.CertificateBuilder(
        root.certificate.subject,
        root.certificate.subject,
        root.certificate.public_key(),
        x509.random_serial_number(),
        now - timedelta(minutes=1),
        now + timedelta(days=3650),
    )
    for extension in root.certificate.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(root.key, hashes.SHA256())


def test_a_bundle_loses_an_anchor_and_never_the_last() -> None:
    assert anchors.without(BOTH, {fp(OLD)}) == NEW.bundle
    assert TrustBundle.from_pem(BOTH.pem).digest == anchors.of(reversed(BOTH.anchors)).digest
    with pytest.raises(InvalidTrustBundle, match="no trust anchor would be left"):
        anchors.without(OLD.bundle, {fp(OLD)})
