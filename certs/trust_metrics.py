"""
Which certificate and which trust anchors a process really uses, as metrics.

Whoever rotates anchors has to know this of each process, whatever its files or its ConfigMap say by now:
`jackstay certs rotate status` reads it here.
"""

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Gauge

from certs import anchors
from certs.authority import Authority
from certs.credentials import Credentials
from certs.generation import Generation
from certs.trust_bundle import TrustBundle

BUNDLE = "jackstay_trust_bundle_info"
ANCHOR = "jackstay_trust_anchor_info"
ANCHOR_BEGINS = "jackstay_trust_anchor_begin_timestamp_seconds"
ANCHOR_ENDS = "jackstay_trust_anchor_expiration_timestamp_seconds"
CERTIFICATE = "jackstay_certificate_info"
CERTIFICATE_ENDS = "identity_cert_expiration_timestamp_seconds"
ISSUER = "jackstay_issuer_info"


class TrustMetrics:
    """What a process holds, in a registry: always of one moment, and nothing of what it held before."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._bundle = Gauge(
            BUNDLE, "The trust anchors in use: SHA-256 over all of them.", ["sha256"], registry=registry
        )
        self._anchor = Gauge(
            ANCHOR, "A trust anchor in use: its SHA-256 fingerprint.", ["sha256"], registry=registry
        )
        self._begins = Gauge(
            ANCHOR_BEGINS, "Since when a trust anchor is valid.", ["sha256"], registry=registry
        )
        self._ends = Gauge(ANCHOR_ENDS, "When a trust anchor ends.", ["sha256"], registry=registry)
        self._certificate = Gauge(
            CERTIFICATE,
            "Our certificate, and the fingerprint of the trust anchor that vouches for it.",
            ["identity", "anchor"],
            registry=registry,
        )
        # Without a certificate there is no moment to tell: 1970 would be an alarm.
        self._expires: Gauge | None = None
        self._issuer: Gauge | None = None

    def told(self, generation: Generation | None) -> None:
        """For a certificate source to call: None, for what was not taken over, changes nothing."""
        if generation is not None:
            self.uses(generation.credentials, generation.bundle)

    def uses(self, credentials: Credentials, bundle: TrustBundle, *, at: datetime | None = None) -> None:
        """From now (*at*) on these are shown to peers, and these believed."""
        for gauge in (self._bundle, self._anchor, self._begins, self._ends, self._certificate):
            gauge.clear()
        self._bundle.labels(bundle.digest).set(1)
        for anchor in bundle.anchors:
            known_as = anchors.fingerprint(anchor)
            self._anchor.labels(known_as).set(1)
            self._begins.labels(known_as).set(anchor.not_valid_before_utc.timestamp())
            self._ends.labels(known_as).set(anchor.not_valid_after_utc.timestamp())
        vouching = anchors.anchor_of(credentials.chain, bundle, at=at or datetime.now(UTC))
        named = "" if vouching is None else anchors.fingerprint(vouching)
        self._certificate.labels(credentials.identity, named).set(1)
        if self._expires is None:
            self._expires = Gauge(CERTIFICATE_ENDS, "When our certificate ends.", registry=self._registry)
        self._expires.set(credentials.not_after.timestamp())

    def issues(self, issuer: Authority, bundle: TrustBundle) -> None:
        """From now on leaves are signed by *issuer*. For the identity service alone."""
        if self._issuer is None:
            self._issuer = Gauge(
                ISSUER,
                "The issuer in use, by the fingerprint of the trust anchor above it.",
                ["anchor"],
                registry=self._registry,
            )
        above = anchors.anchor_above((issuer.certificate, *issuer.above), bundle)
        self._issuer.clear()
        self._issuer.labels("" if above is None else anchors.fingerprint(above)).set(1)
