"""
Who is at the other end: the second and third look at a peer's chain.

OpenSSL has verified it in the handshake already. Verifiers differ in what they let pass,
so a second one (`cryptography`) goes over the same chain, and then our own profile over
everything below the anchor: each alone takes dozens of known-bad certificates.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import groupby, pairwise
from typing import Any, Literal

from cryptography import x509
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    VerificationError,
)

from certs import certificate, profile
from certs.certificate import InvalidCertificate
from certs.credentials import MOST_BYTES, MOST_CERTIFICATES
from certs.names import names
from certs.revocation import Revocations
from certs.revocation import Revoked as RevokedCertificate
from certs.trust_bundle import TrustBundle

Role = Literal["client", "server"]


class Untrusted(Exception):
    """No anchor vouches for the peer, or its certificate is not what we take."""

    reason = "untrusted"


class Revoked(Untrusted):
    """Its certificate, or an issuer's, has been taken back."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end, verified. It exists only if every check has passed."""

    identity: str
    """The DNS name in its leaf."""
    spiffe: str | None
    not_after: datetime
    """When the first certificate of its chain ends, the anchor's included."""
    chain: tuple[bytes, ...] = field(repr=False)
    """What it sent, leaf first."""
    not_before: datetime = field(repr=False)
    """When the last certificate of its chain begins, the anchor's included."""
    holds_until: datetime = field(repr=False)
    """When it has to be verified anew: *not_after*, or the end of a revocation list if that is sooner."""


def peer_chain(tls: ssl.SSLObject | ssl.SSLSocket) -> list[bytes]:
    """The certificates that the peer sent, as DER, leaf first; [] before the handshake is done."""
    public = getattr(tls, "get_unverified_chain", None)  # Python 3.13 and later
    if public is not None:
        return [bytes(link) for link in public()]
    inner: Any = getattr(tls, "_sslobj", None)
    found = inner.get_unverified_chain() if inner is not None else None
    # 2 is DER in the private `_ssl`, which has given these objects since 3.10.
    return [bytes(link.public_bytes(2)) for link in found or ()]


def verify(
    chain: Sequence[bytes],
    bundle: TrustBundle,
    *,
    role: Role,
    at: datetime,
    revocations: Revocations | None = None,
) -> Peer:
    """
    The peer that *chain*, leaf first, proves, being a client or a server at time *at*.

    With *revocations*, they must say of each certificate below the anchor that it is not revoked.
    Raises Untrusted with one sentence; Revoked if that is what is wrong with it.
    """
    if not chain:
        raise Untrusted("the peer showed no certificate")
    if len(chain) > MOST_CERTIFICATES or sum(map(len, chain)) > MOST_BYTES:
        raise Untrusted(
            f"the chain has {len(chain)} certificates and {sum(map(len, chain))} bytes, "
            f"over {MOST_CERTIFICATES} and {MOST_BYTES}"
        )
    try:
        leaf, issuers = certificate.parse(chain[0]), [_issuer(der) for der in chain[1:]]
        found = names(leaf)
        path = _path(leaf, issuers, bundle, found.identity.dns_name, role, at)
        _check_order((leaf, *issuers), path)
        profile.check(path, role)
        _check_time(path, at)
        not_after = min(link.not_valid_after_utc for link in path)
        known_until = revocations.check(path, at) if revocations is not None else not_after
    except RevokedCertificate as error:
        raise Revoked(str(error)) from error
    except InvalidCertificate as error:
        raise Untrusted(str(error)) from error
    return Peer(
        found.identity.dns_name,
        found.spiffe,
        not_after=not_after,
        chain=tuple(chain),
        not_before=max(link.not_valid_before_utc for link in path),
        holds_until=min(not_after, known_until),
    )


@lru_cache(maxsize=64)
def _issuer(der: bytes) -> x509.Certificate:
    """Leaves are many and their issuers few: reading one is an eighth of a verification."""
    return certificate.parse(der)


def _path(
    leaf: x509.Certificate,
    issuers: list[x509.Certificate],
    bundle: TrustBundle,
    name: str,
    role: Role,
    at: datetime,
) -> list[x509.Certificate]:
    """From the leaf to the anchor, as `cryptography`'s verifier finds it."""
    policy = (
        PolicyBuilder()
        .store(bundle.store)
        .time(at)
        .max_chain_depth(MOST_CERTIFICATES - 1)
        .extension_policies(ca_policy=_FOR_AUTHORITIES, ee_policy=_FOR_LEAVES)
    )
    try:
        if role == "client":
            return policy.build_client_verifier().verify(leaf, issuers).chain
        return policy.build_server_verifier(x509.DNSName(name)).verify(leaf, issuers)
    except (VerificationError, ValueError) as error:
        raise InvalidCertificate(_sentence((leaf, *issuers), role, at, error)) from error


def _check_time(path: Sequence[x509.Certificate], at: datetime) -> None:
    """The verifier has looked at whole seconds; who expired in this one has expired."""
    for below, link in enumerate(path):
        if not certificate.valid_at(link, at):
            what = "trust anchor" if link is path[-1] else profile.place(below)
            raise InvalidCertificate(f"the {what} is not valid now, but {certificate.validity(link)}")


def _check_order(sent: Sequence[x509.Certificate], path: Sequence[x509.Certificate]) -> None:
    """
    Raises InvalidCertificate unless each certificate of *sent* is signed by the one behind it.

    The anchor may stand at the end, and above it whoever has signed that too, while anchors are exchanged.
    One may be said twice running: `openssl s_client -cert leaf.crt -cert_chain leaf.crt` does.
    """
    sent = [link for link, _ in groupby(sent)]
    if sent in (list(path[:-1]), list(path)):
        return
    if not all(certificate.issued_by(link, signer) for link, signer in pairwise(sent)):
        raise InvalidCertificate(
            "the chain is not in order, or holds what does not belong to it: "
            "it must be the leaf, then its issuer, and so on upwards"
        )


def _sentence(sent: Sequence[x509.Certificate], role: Role, at: datetime, error: Exception) -> str:
    """What is wrong, in words: our own if we know, since the verifier's are for programmers."""
    for below, link in enumerate(sent):
        if below and link.subject == link.issuer:
            continue  # a root, sent along; its form is not ours to judge
        if not certificate.valid_at(link, at):
            return f"the {profile.place(below)} is not valid now, but {certificate.validity(link)}"
        try:
            profile.check_link(link, below=below, role=role)
        except InvalidCertificate as flaw:
            return f"the {profile.place(below)}: {flaw}"
    said = str(error)
    for part, sentence in _IN_WORDS.items():
        if part in said:
            return sentence
    said = said.partition(" (encountered")[0].removeprefix("validation failed: ")
    return f"no trust anchor vouches for the certificate: {said.removeprefix('candidates exhausted: ')}"


_IN_WORDS = {
    "not valid at validation time": "the trust anchor, or an issuer, is not valid now",
    "name constraint": "an issuer of the certificate may not speak for its name: it is bound to others",
    "path length": "more issuers stand below an authority than it allows (its path length)",
    "interior errors": "no trust anchor vouches for the certificate: none signed it, or an issuer is missing",
}

# The library's defaults ask for extensions that roots of plain `openssl req -x509` lack, and
# that not all authorities write; `profile` asks for them where they matter, below the anchor.
_FOR_AUTHORITIES = (
    ExtensionPolicy.webpki_defaults_ca()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, None)
    .may_be_present(x509.SubjectKeyIdentifier, Criticality.AGNOSTIC, None)
    .may_be_present(x509.AuthorityKeyIdentifier, Criticality.AGNOSTIC, None)
)
_FOR_LEAVES = (
    ExtensionPolicy.webpki_defaults_ee()
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, None)
    .may_be_present(x509.AuthorityKeyIdentifier, Criticality.AGNOSTIC, None)
)
