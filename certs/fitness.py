"""
Whether peers would take what we show of ourselves, asked before we show it.

Peers hold the anchors that we hold: one of these must vouch for our own chain, as it must for
theirs. Any one will do, since a bundle holds several while anchors are rotated.
"""

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs import certificate, profile
from certs.credentials import Credentials, InvalidCredentials
from certs.trust_bundle import TrustBundle
from certs.verification import Role, Untrusted, verify

ROLES: tuple[Role, ...] = ("client", "server")

_MOST_NAMES = 5


class OutOfTime(InvalidCredentials):
    """A certificate of the chain has expired, or is not valid yet."""


class NotVouchedFor(InvalidCredentials):
    """None of our own trust anchors vouches for the chain."""


def check(credentials: Credentials, bundle: TrustBundle, *, at: datetime) -> None:
    """
    Raises OutOfTime or NotVouchedFor if peers who hold *bundle* would refuse *credentials*.

    That is, at time *at*, as a client's and as a server's: to be one of the two is enough.
    """
    sent = [link.public_bytes(Encoding.DER) for link in credentials.chain]
    refusals = []
    for role in ROLES:
        try:
            verify(sent, bundle, role=role, at=at)
        except Untrusted as error:
            refusals.append(error)
    if len(refusals) == len(ROLES):
        _check_time(credentials.chain, at)
        raise NotVouchedFor(_unvouched(credentials.chain, bundle, refusals[0])) from refusals[0]


def _check_time(chain: Sequence[x509.Certificate], at: datetime) -> None:
    for below, link in enumerate(chain):
        what = profile.place(below)
        if at > link.not_valid_after_utc:
            raise OutOfTime(
                f"the {what} has expired, it was valid {certificate.validity(link)}; "
                "issue a new one and replace the certificate and its key"
            )
        if at < link.not_valid_before_utc:
            raise OutOfTime(
                f"the {what} is not valid yet, but {certificate.validity(link)}; "
                "wait, or set the clock of this machine or of the one that made it"
            )


def _unvouched(chain: Sequence[x509.Certificate], bundle: TrustBundle, refusal: Untrusted) -> str:
    top = chain[-1]
    if any(top == anchor or certificate.issued_by(top, anchor) for anchor in bundle.anchors):
        return f"peers with these trust anchors ({_names(bundle)}) would refuse it: {refusal}"
    signer = _name(top.issuer)
    if any(anchor.subject == top.issuer for anchor in bundle.anchors):
        return (
            f"it is signed by another {signer} than the trust anchor of that name, with another key "
            f"(the trust anchors are {_names(bundle)}); add the one it was made under, or issue it anew"
        )
    return (
        f"none of the trust anchors ({_names(bundle)}) vouches for it, it is signed by {signer}; "
        "add the anchor it was made under, or issue it anew under one of these "
        "(an issuer between them stands in the certificate's file, behind the leaf)"
    )


def _names(bundle: TrustBundle) -> str:
    names = list(dict.fromkeys(_name(anchor.subject) for anchor in bundle.anchors))
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _name(name: x509.Name) -> str:
    return name.rfc4514_string() or "(no name)"
