"""How a cluster is reached, and as whom."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Access:
    """
    An API server and what we show it: a token, a file or plugin that gives one, or a client certificate.

    Secrets are not in its repr.
    """

    server: str
    """`https://host:port`, perhaps with a path; no slash at the end."""

    ca_data: bytes = field(repr=False)
    """Who may vouch for the server, PEM; b"" (an operator's own kubeconfig only): what the system trusts."""

    token: str | None = field(default=None, repr=False)
    client_certificate: bytes | None = field(default=None, repr=False)
    client_key: bytes | None = field(default=None, repr=False)
    name: str = ""
    """What messages call this cluster."""

    token_file: Path | None = None
    """Read again and again, since the kubelet renews what is in it."""

    exec_plugin: Mapping[str, Any] | None = field(default=None, repr=False)
    """The `exec` part of an operator's own kubeconfig. Never there in a Link's."""

    tls_server_name: str = ""
    """The name in the server's certificate, where it is not the one in the URL."""

    namespace: str = ""
    """The namespace that goes without saying: the context's, or the pod's own."""

    @property
    def fingerprint(self) -> str:
        """The same for two that speak to the same server in the same way, with the same credentials."""
        parts = (
            self.server.encode(),
            self.ca_data,
            (self.token or "").encode(),
            self.client_certificate or b"",
            self.client_key or b"",
            self.tls_server_name.encode(),
            str(self.token_file or "").encode(),
            repr(self.exec_plugin).encode(),
        )
        digest = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts))
        return digest.hexdigest()[:32]

    def __str__(self) -> str:
        return self.name or self.server
