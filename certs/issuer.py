"""
The cluster's issuer, tried before it is used: peers would take what it signs.

To verify a chain costs ten times as much as to sign a leaf. So it is done once for an issuer and a
trust bundle, with a leaf that lives as long as any could; what differs from one leaf to the next (the
name, the time) is compared then.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from certs import certificate
from certs.authority import (
    LEAF_LIFETIME,
    SKEW,
    Authority,
    CannotIssue,
    load_authority,
    make_leaf,
    new_key,
    sign_leaf,
)
from certs.credentials import Credentials, InvalidCredentials, read_chain, read_key
from certs.identity import Identity
from certs.trust_bundle import TrustBundle
from certs.verification import Untrusted, verify

ACCOUNT = "jackstay-identity"
"""The service account that the identity service runs as, in the control plane's namespace."""

_LONGEST = timedelta(days=366 * 100)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the service issues."""

    control_namespace: str
    """The label after `identity.` in every name it issues."""

    trust_domain: str
    """The end of every name it issues."""

    lifetime: timedelta = LEAF_LIFETIME
    """How long a leaf is valid, unless its issuer ends before."""

    skew: timedelta = SKEW
    """How long before its making a leaf begins to be valid, for clocks that are behind."""

    def identity(self, account: str, namespace: str) -> Identity:
        """The identity of a service account. Raises InvalidIdentity."""
        return Identity(account, namespace, self.control_namespace, self.trust_domain)

    @property
    def own(self) -> Identity:
        """The service's own identity. Raises InvalidIdentity."""
        return self.identity(ACCOUNT, self.control_namespace)


@dataclass(frozen=True, slots=True)
class Issuer:
    """An authority of whose leaves we know that holders of *bundle* take them."""

    authority: Authority
    bundle: TrustBundle
    settings: Settings
    not_before: datetime
    not_after: datetime
    """Between the two all of its chain is valid, the anchor included."""

    every_name: bool
    """Whether it may speak for every name in the trust domain, so that no leaf need be tried by itself."""

    @classmethod
    def tried(cls, authority: Authority, bundle: TrustBundle, settings: Settings, at: datetime) -> "Issuer":
        """The issuer, if it can be used at *at*. Raises CannotIssue, or InvalidIdentity for the settings."""
        chain, _ = make_leaf(settings.own, authority, now=at, lifetime=_LONGEST, skew=timedelta(0))
        return cls(
            authority,
            bundle,
            settings,
            not_before=max(link.not_valid_before_utc for link in (authority.certificate, *authority.above)),
            not_after=_taken(chain, bundle, at),
            every_name=_every_name(authority, bundle, settings.trust_domain),
        )

    def sign(
        self, identity: Identity, key: ec.EllipticCurvePublicKey, at: datetime
    ) -> tuple[x509.Certificate, ...]:
        """The chain for *identity*, leaf first and without the anchor. Raises CannotIssue."""
        if not self.not_before <= at <= self.not_after:
            raise CannotIssue(
                f"the issuer, or what is above it, is not valid now, but {self.not_before:%Y-%m-%d %H:%M:%S} "
                f"to {self.not_after:%Y-%m-%d %H:%M:%S} UTC"
            )
        lifetime = min(self.settings.lifetime, self.not_after - at)  # the anchor may end before the issuer
        chain = sign_leaf(identity, key, self.authority, now=at, lifetime=lifetime, skew=self.settings.skew)
        if not self.every_name:
            _taken(chain, self.bundle, at)
        return chain

    def own_credentials(self, at: datetime) -> Credentials:
        """A new key and leaf for the service itself; the key is in memory only. Raises CannotIssue."""
        key = new_key()
        return Credentials.of(self.sign(self.settings.own, key.public_key(), at), key)


def read_issuer(chain: bytes, key: bytes) -> Authority:
    """The authority in two PEM texts. Raises CannotIssue with a sentence that quotes neither."""
    try:
        return load_authority(read_chain(chain), read_key(key))
    except InvalidCredentials as error:
        raise CannotIssue(str(error)) from error


def _taken(chain: tuple[x509.Certificate, ...], bundle: TrustBundle, at: datetime) -> datetime:
    """Until when holders of *bundle* take *chain*. Raises CannotIssue if not at *at*."""
    sent = [link.public_bytes(Encoding.DER) for link in chain]
    try:
        verify(sent, bundle, role="client", at=at)
        return verify(sent, bundle, role="server", at=at).not_after
    except Untrusted as error:
        raise CannotIssue(f"peers would refuse what it signs: {error}") from error


def _every_name(authority: Authority, bundle: TrustBundle, trust_domain: str) -> bool:
    """Whether no name constraint above the leaf can forbid a name that ends in *trust_domain*."""
    for link in (authority.certificate, *authority.above, *bundle.anchors):
        found = certificate.extension(link, x509.NameConstraints)
        if found is None:
            continue
        if found.value.excluded_subtrees or found.value.permitted_subtrees is None:
            return False
        if not any(_covers(name, trust_domain) for name in found.value.permitted_subtrees):
            return False
    return True


def _covers(name: x509.GeneralName, trust_domain: str) -> bool:
    if not isinstance(name, x509.DNSName):
        return False
    return f".{trust_domain}".endswith("." + name.value.removeprefix("."))
