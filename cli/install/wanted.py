"""What is to be installed, and what must hold of it before a manifest is printed."""

import base64
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from certs.authority import CannotIssue
from certs.credentials import Credentials, InvalidCredentials
from certs.identity import Identity, InvalidIdentity
from certs.issuer import Issuer, Settings, read_issuer
from certs.trust_bundle import TrustBundle
from certs.verification import Untrusted, verify
from cli.errors import CliError
from cli.manifests import GATEWAY, MIRROR
from cli.options import CLUSTER_DOMAIN, NAMESPACE, TRUST_DOMAIN
from process.version import VERSION

IMAGE = f"jackstay:{VERSION}"


class ServiceType(StrEnum):
    """How the gateway is reached from outside its cluster."""

    LOAD_BALANCER = "LoadBalancer"
    NODE_PORT = "NodePort"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The credentials of one part, as a Secret holds them."""

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)

    @property
    def data(self) -> dict[str, str]:
        """As a Secret of type kubernetes.io/tls has it."""
        return {
            "tls.crt": base64.b64encode(self.certificate).decode(),
            "tls.key": base64.b64encode(self.key).decode(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An installation, as the command line says it."""

    trust_anchors: TrustBundle
    namespace: str = NAMESPACE
    cluster_domain: str = CLUSTER_DOMAIN
    trust_domain: str = TRUST_DOMAIN
    image: str = IMAGE
    crds: bool = True
    """Whether our custom kinds are defined along with it."""
    gateway: bool = True
    """Whether services of this cluster are to be used from others."""
    mirror: bool = True
    """Whether services of others are to be used here."""
    identity_service: bool = False
    """Whether workloads of this cluster get their certificates from it, our own parts among them."""
    gateway_replicas: int = 2
    gateway_service_type: ServiceType = ServiceType.LOAD_BALANCER
    gateway_tls: Shown | None = None
    """None: it is issued, or the Secret is made by somebody else."""
    mirror_replicas: int = 2
    """One of them works; the others have all in mind and go on within seconds of its death."""
    create_namespaces: bool = False
    """Whether the mirror makes namespaces that are missing."""
    mirror_tls: Shown | None = None
    identity_replicas: int = 2
    issuer: Shown | None = None
    """None: its Secret is made by somebody else."""
    log_level: str = "info"

    def identity(self, account: str) -> str:
        """The identity of our own part that runs as *account*. Raises CliError."""
        try:
            return Identity(account, self.namespace, self.namespace, self.trust_domain).dns_name
        except InvalidIdentity as error:
            raise CliError(
                f"--namespace {self.namespace} and --trust-domain {self.trust_domain}: {error}"
            ) from error

    def check(self, at: datetime) -> None:
        """Raises CliError if a part would come up and not be believed by its peers."""
        for option, account, shown in (
            ("--gateway-tls", GATEWAY, self.gateway_tls),
            ("--mirror-tls", MIRROR, self.mirror_tls),
        ):
            expected = self.identity(account)
            if shown is not None:
                self._check(option, expected, shown, at)
        if self.issuer is not None:
            self._check_issuer(self.issuer, at)

    def _check_issuer(self, issuer: Shown, at: datetime) -> None:
        try:
            authority = read_issuer(issuer.certificate, issuer.key)
            Issuer.tried(authority, self.trust_anchors, Settings(self.namespace, self.trust_domain), at)
        except (CannotIssue, InvalidIdentity) as error:
            raise CliError(
                f"--issuer-certificate and --issuer-key: {error}",
                hint="Make one: jackstay certs issuer CRT KEY --ca root.crt --ca-key root.key "
                f"--trust-domain {self.trust_domain}",
            ) from error

    def _check(self, option: str, expected: str, shown: Shown, at: datetime) -> None:
        try:
            credentials = Credentials.from_pem(shown.certificate, shown.key)
            chain = [link.public_bytes(Encoding.DER) for link in credentials.chain]
            for role in ("client", "server"):
                verify(chain, self.trust_anchors, role=role, at=at)
        except InvalidCredentials as error:
            raise CliError(f"{option}: {error}") from error
        except Untrusted as error:
            raise CliError(f"{option}: peers with these --trust-anchors would refuse it: {error}") from error
        if credentials.identity != expected:
            raise CliError(
                f"{option}: it is the certificate of {credentials.identity}; peers will expect {expected}",
                hint=f"Make it: jackstay certs leaf {expected} CRT KEY --ca issuer.crt --ca-key issuer.key, "
                "or say the --trust-domain of this cluster",
            )


def read_shown(paths: tuple[Path, Path] | None) -> Shown | None:
    """The files of `--gateway-tls CRT KEY`. Raises CliError."""
    if paths is None:
        return None
    try:
        certificate, key = (path.read_bytes() for path in paths)
    except OSError as error:
        raise CliError(f"{error.filename}: {error.strerror}") from error
    return Shown(certificate=certificate, key=key)
