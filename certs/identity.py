"""
Who somebody is: a service account, in its namespace, under a control plane, in a trust domain.

    web.test.serviceaccount.identity.jackstay.cluster.local
    sa  namespace                    control  trust domain
                                     namespace

Certificates carry this DNS name and, beside it, the same thing as a SPIFFE URI. Names are
compared whole and byte by byte, so there is one way only to write each.
"""

import re
from dataclasses import dataclass
from typing import Self

MARK = ("serviceaccount", "identity")
MOST = 253
"""Characters of a DNS name."""

LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


class InvalidIdentity(ValueError):
    """The name is not that of a service account, in the one form we take."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A service account of a cluster. Raises InvalidIdentity if its parts cannot make a name."""

    service_account: str
    namespace: str
    control_namespace: str
    trust_domain: str

    def __post_init__(self) -> None:
        if "." in self.service_account:
            raise InvalidIdentity(
                f"service account {self.service_account!r} has a dot in its name, so no identity can be "
                "made of it; give the workload an account without one"
            )
        _check_label(self.service_account, "service account")
        _check_label(self.namespace, "namespace")
        _check_label(self.control_namespace, "control plane's namespace")
        check_trust_domain(self.trust_domain)
        if len(self.dns_name) > MOST:
            raise InvalidIdentity(
                f"the name {self.dns_name!r} has {len(self.dns_name)} characters, over {MOST}"
            )

    @property
    def dns_name(self) -> str:
        """The name in the certificate, against which a client verifies a gateway."""
        parts = (self.service_account, self.namespace, *MARK, self.control_namespace, self.trust_domain)
        return ".".join(parts)

    @property
    def spiffe_uri(self) -> str:
        """The same as a SPIFFE ID; it leaves out the control plane's namespace."""
        return f"spiffe://{self.trust_domain}/ns/{self.namespace}/sa/{self.service_account}"

    @classmethod
    def parse(cls, dns_name: str) -> Self:
        """Read a DNS name as it stands in a certificate. Raises InvalidIdentity."""
        labels = dns_name.split(".")
        if len(labels) < 6 or tuple(labels[2:4]) != MARK:
            raise InvalidIdentity(
                f"{_shown(dns_name)} is not an identity, which reads <service account>.<namespace>."
                "serviceaccount.identity.<control plane's namespace>.<trust domain>"
            )
        return cls(labels[0], labels[1], labels[4], ".".join(labels[5:]))


def check_trust_domain(name: str) -> None:
    """Raises InvalidIdentity unless *name* is one or more labels in lower case."""
    if len(name) > MOST:
        raise InvalidIdentity(f"a trust domain of {len(name)} characters is over {MOST}")
    for label in name.split("."):
        _check_label(label, f"trust domain {_shown(name)}: label")


def _check_label(label: str, what: str) -> None:
    if not LABEL.fullmatch(label):
        raise InvalidIdentity(f"{what} {_shown(label)} is not 1 to 63 letters a-z, digits and inner hyphens")
    if label.startswith("xn--"):
        raise InvalidIdentity(
            f"{what} {_shown(label)} is an internationalised name, which can look like another"
        )


def _shown(text: str) -> str:
    """*text* fit for a sentence: escaped, and cut if a stranger made it long."""
    return repr(text if len(text) <= MOST else f"{text[:64]}…")
