"""
The token with which a Link reads the other cluster: what it says of itself, and when to ask for the next.

Nothing is verified here, since only the other cluster's API server can: a token that lies about itself
is renewed too early or too late, and harms nobody else. Pure.
"""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cluster.reading import Fields, Malformed

LONGEST = timedelta(days=30)
"""What is asked for; servers grant less as they like."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Whose token it is, and from when until when it holds."""

    namespace: str
    service_account: str
    begins: datetime
    ends: datetime

    @property
    def renewed_at(self) -> datetime:
        """Half its life: an outage may last as long as the other half."""
        return self.begins + (self.ends - self.begins) / 2

    def left(self, at: datetime) -> timedelta:
        return self.ends - at


def lifetime(token: str) -> Lifetime | None:
    """
    What *token* says, if it is that of a service account and ends at all; None where it cannot be renewed.

    The claims are those of RFC 7519 section 4.1, and Kubernetes' subject.
    """
    try:
        _, payload, _ = token.split(".")
        claims = Fields.of(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))
        kind, account, namespace, name = claims.text("sub").split(":")
        if (kind, account) != ("system", "serviceaccount") or not namespace or not name:
            return None
        ends = _moment(claims.number("exp"))
        begins = _moment(claims.number("iat"))
    except (ValueError, RecursionError, OverflowError, OSError, Malformed):
        return None
    if not claims.number("iat") or ends <= begins:
        return None
    return Lifetime(namespace, name, begins, ends)


def exchanged(kubeconfig: bytes, old: str, new: str) -> bytes:
    """*kubeconfig* with the token *new* where *old* was, and all else as it is. Raises ValueError."""
    if kubeconfig.count(old.encode()) != 1:
        raise ValueError("the kubeconfig does not hold its token once and in one piece")
    return kubeconfig.replace(old.encode(), new.encode())


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
