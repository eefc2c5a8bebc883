"""What the identity service tells the cluster of, and the Protocol of whoever writes it there."""

from dataclasses import dataclass
from typing import Protocol

from certs.review_queue import Account

ISSUED = "IssuedLeafCertificate"
REFUSED = "IdentityRefused"
ISSUER_UPDATED = "IssuerUpdated"
ISSUER_SKIPPED = "IssuerUpdateSkipped"
ISSUER_FAILED = "IssuerValidationFailed"
"""The names are Linkerd's, but for the refusal, of which it tells nobody."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that whoever looks after a service account will want to know."""

    account: Account | None
    """Whom it is about; None: the identity service itself."""

    reason: str
    """One of the above."""

    message: str
    """A sentence without anything secret."""

    warning: bool = True
    kind: str = ""
    """Notices of the same account, reason and kind are one that was repeated."""

    once: bool = False
    """Whether a repetition says nothing new."""


class Notices(Protocol):
    """Whoever passes notices on."""

    def tell(self, notice: Notice) -> None:
        """Take *notice* to be written in time, or lose it. Never waits and never fails."""
