"""Where the pod of a part has its certificate from: a Secret that somebody makes, or the identity service."""

from dataclasses import dataclass
from typing import Any

from certs.service import AUDIENCE
from cli.install.wanted import Wanted
from cli.manifests import GATEWAY, IDENTITY, IDENTITY_PORT, MIRROR
from cli.options import IDENTITY_TOKEN

TLS_DIRECTORY = "/var/run/jackstay/tls"
TOKEN_SECONDS = 3600
"""Life of a token; the kubelet writes another one at four fifths of it. A stolen one is soon worthless."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a pod needs for it: arguments, and a volume with the place where it is mounted."""

    arguments: tuple[str, ...]
    volume: dict[str, Any]
    mount: dict[str, Any]


def tls_name(part: str) -> str:
    """The Secret that holds the credentials of *part*, if it is not issued one."""
    return f"{part}-tls"


def is_issued(wanted: Wanted, part: str) -> bool:
    """Whether *part* asks the identity service; not if its leaf was given."""
    given = {GATEWAY: wanted.gateway_tls, MIRROR: wanted.mirror_tls}.get(part)
    return wanted.identity_service and given is None


def origin(wanted: Wanted, part: str) -> Origin:
    """The certificate of *part*."""
    if is_issued(wanted, part):
        return _issued(wanted)
    return Origin(
        ("--certificate", f"{TLS_DIRECTORY}/tls.crt", "--key", f"{TLS_DIRECTORY}/tls.key"),
        {"name": "tls", "secret": {"secretName": tls_name(part), "defaultMode": 0o440}},
        {"name": "tls", "mountPath": TLS_DIRECTORY, "readOnly": True},
    )


def _issued(wanted: Wanted) -> Origin:
    token = {"audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": IDENTITY_TOKEN.name}
    return Origin(
        (
            *("--identity-service", f"{IDENTITY}.{wanted.namespace}.svc:{IDENTITY_PORT}"),
            *("--trust-domain", wanted.trust_domain),
        ),
        {
            "name": "identity-token",
            "projected": {"defaultMode": 0o440, "sources": [{"serviceAccountToken": token}]},
        },
        {"name": "identity-token", "mountPath": str(IDENTITY_TOKEN.parent), "readOnly": True},
    )
