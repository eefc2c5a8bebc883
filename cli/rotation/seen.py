"""What was seen of a rotation: in clusters, and of each process."""

from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from certs import anchors
from certs.trust_bundle import TrustBundle
from cli.install.parts import ISSUER_SECRET, TRUST_BUNDLE
from cluster.metadata import Raw


@dataclass(frozen=True, slots=True)
class Anchor:
    """A trust anchor, as far as it is known: a process tells no name."""

    sha256: str
    begins: datetime
    ends: datetime
    name: str = ""

    @classmethod
    def of(cls, anchor: x509.Certificate) -> "Anchor":
        return cls(
            anchors.fingerprint(anchor),
            anchor.not_valid_before_utc,
            anchor.not_valid_after_utc,
            anchor.subject.rfc4514_string(),
        )


@dataclass(frozen=True, slots=True)
class Held:
    """What a process says that it uses. Where its workers differ there are several of what should be one."""

    bundles: frozenset[str]
    """Digests."""
    anchors: frozenset[Anchor]
    identities: frozenset[str]
    leaf_anchors: frozenset[str]
    """Fingerprints of the anchors that vouch for its leaf; "" is none."""
    leaf_ends: datetime | None
    issuer_anchors: frozenset[str] = frozenset()
    """The same for the issuer, of an identity service."""

    @property
    def fingerprints(self) -> frozenset[str]:
        return frozenset(anchor.sha256 for anchor in self.anchors)


@dataclass(frozen=True, slots=True)
class Process:
    """A gateway, an outbound proxy, a mirror or an identity service."""

    context: str
    """"" for one that was asked directly."""
    namespace: str
    name: str
    held: Held | None
    silent: str = ""
    """Why nothing is known of it."""

    def __str__(self) -> str:
        return f"{self.context}: {self.namespace}/{self.name}" if self.context else self.name


@dataclass(frozen=True, slots=True)
class Place:
    """A ConfigMap with trust anchors, from which processes of its namespace have theirs."""

    context: str
    namespace: str
    bundle: TrustBundle | None
    wrong: str = ""
    """Why it is no bundle."""
    raw: Raw = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        where = f"{self.namespace}/{TRUST_BUNDLE}" if self.namespace else TRUST_BUNDLE
        return f"{self.context}: ConfigMap {where}" if self.context else where

    @property
    def fingerprints(self) -> frozenset[str]:
        held = self.bundle.anchors if self.bundle is not None else ()
        return frozenset(map(anchors.fingerprint, held))


@dataclass(frozen=True, slots=True)
class Issuer:
    """The Secret with the issuer of a cluster's identity service."""

    context: str
    namespace: str
    anchor: str
    """The fingerprint of the anchor above it; "" if none of those that were seen is."""
    wrong: str = ""
    """Why that is not known."""

    def __str__(self) -> str:
        return f"{self.context}: Secret {self.namespace}/{ISSUER_SECRET}"


@dataclass(frozen=True, slots=True)
class Unread:
    """A cluster of which not everything could be seen, and why."""

    context: str
    why: str
    """With the context."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that was looked at."""

    processes: tuple[Process, ...] = ()
    places: tuple[Place, ...] = ()
    issuers: tuple[Issuer, ...] = ()
    unread: tuple[Unread, ...] = ()
    contexts: tuple[str, ...] = ()
    """The clusters that were asked, whatever was found there."""

    def anchors(self) -> dict[str, Anchor]:
        """Every anchor that anybody holds, by fingerprint; with its name where somebody knows it."""
        told = {
            anchor.sha256: anchor
            for one in self.processes
            if one.held
            for anchor in sorted_(one.held.anchors)
        }
        known = {
            anchor.sha256: anchor
            for place in self.places
            if place.bundle is not None
            for anchor in map(Anchor.of, place.bundle.anchors)
        }
        return told | known


def sorted_(found: frozenset[Anchor]) -> list[Anchor]:
    """The newest first."""
    return sorted(found, key=lambda one: (one.begins, one.ends, one.sha256), reverse=True)
