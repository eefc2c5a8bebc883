"""
A PKI in three lines:

    pki = Pki.make()
    web = pki.leaf("web.test")
    stranger = Pki.make().leaf("web.test")
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from certs.authority import Authority, chain_pem, make_issuer, make_leaf, make_root, sign_leaf
from certs.credentials import Credentials, key_pem
from certs.generation import Generation
from certs.identity import Identity
from certs.trust_bundle import TrustBundle

ALPN = ("jackstay/1", "transport.l5d.io/v1")
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Paths:
    """Where an `Issued` was written, for command lines."""

    certificate: Path
    key: Path
    trust_anchors: Path

    @property
    def flags(self) -> list[str]:
        """The three flags that every process of ours takes."""
        return [
            *("--certificate", str(self.certificate)),
            *("--key", str(self.key)),
            *("--trust-anchors", str(self.trust_anchors)),
        ]


@dataclass(frozen=True, slots=True)
class Issued:
    """A leaf with its chain, its key and the anchors it was made under."""

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)
    identity: str
    anchors_pem: bytes = field(repr=False)

    @property
    def credentials(self) -> Credentials:
        return Credentials.from_pem(self.certificate_pem, self.key_pem)

    @property
    def chain(self) -> list[bytes]:
        """As a peer would send it: DER, leaf first."""
        return [link.public_bytes(Encoding.DER) for link in self.credentials.chain]

    def write(self, directory: Path, name: str | None = None) -> Paths:
        """Put the three files into *directory*, named after the identity's first label unless told."""
        stem = name or self.identity.partition(".")[0]
        directory.mkdir(parents=True, exist_ok=True)
        paths = Paths(directory / f"{stem}.crt", directory / f"{stem}.key", directory / f"{stem}-root.crt")
        paths.certificate.write_bytes(self.certificate_pem)
        paths.key.write_bytes(self.key_pem)
        paths.key.chmod(0o600)
        paths.trust_anchors.write_bytes(self.anchors_pem)
        return paths


@dataclass(frozen=True, slots=True)
class Pki:
    """A trust anchor and one issuer under it, both new."""

    root: Authority
    issuer: Authority
    trust_domain: str
    now: datetime

    @classmethod
    def make(
        cls, trust_domain: str = "cluster.local", *, now: datetime | None = None, constrained: bool = False
    ) -> Self:
        """Issues for *trust_domain*; with *constrained* it could issue for no other."""
        now = now or datetime.now(UTC)
        root = make_root("root.jackstay.test", now=now - DAY)
        return cls(root, cls._issuer(root, trust_domain, now, constrained=constrained), trust_domain, now)

    @staticmethod
    def _issuer(root: Authority, trust_domain: str, now: datetime, *, constrained: bool) -> Authority:
        name = "identity.jackstay.test"
        return make_issuer(name, root, now=now - DAY, trust_domain=trust_domain if constrained else None)

    @property
    def anchors_pem(self) -> bytes:
        return chain_pem(self.root.certificate)

    @property
    def bundle(self) -> TrustBundle:
        return TrustBundle.from_pem(self.anchors_pem)

    def identity(self, name: str) -> Identity:
        """`web.test` is account web of namespace test; a full name stands for itself."""
        if name.count(".") == 1:
            account, namespace = name.split(".")
            return Identity(account, namespace, "jackstay", self.trust_domain)
        return Identity.parse(name)

    def leaf(self, name: str, *, lifetime: timedelta = DAY, at: datetime | None = None) -> Issued:
        """A new leaf for *name*, made at *at* (now unless said)."""
        identity = self.identity(name)
        chain, key = make_leaf(identity, self.issuer, now=at or self.now, lifetime=lifetime)
        return Issued(chain_pem(*chain), key_pem(key), identity.dns_name, self.anchors_pem)

    def signed(
        self,
        name: str,
        key: CertificatePublicKeyTypes,
        *,
        lifetime: timedelta = DAY,
        at: datetime | None = None,
    ) -> bytes:
        """The chain, PEM, of a new leaf for *name* and somebody's *key*."""
        return chain_pem(
            *sign_leaf(self.identity(name), key, self.issuer, now=at or self.now, lifetime=lifetime)
        )

    def generation(
        self,
        name: str,
        *,
        number: int = 1,
        alpn_server: Sequence[str] = ALPN,
        alpn_client: Sequence[str] = ALPN[:1],
        bundle: TrustBundle | None = None,
    ) -> Generation:
        """TLS contexts that show a new leaf for *name* and trust this PKI (or *bundle*)."""
        return Generation.build(
            number,
            self.leaf(name).credentials,
            bundle or self.bundle,
            alpn_server=alpn_server,
            alpn_client=alpn_client,
        )
