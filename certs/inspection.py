"""What is in a file of certificates and keys, and what is wrong with it, for people."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from certs import certificate, pem, profile, verification
from certs.authority import constrained_to
from certs.certificate import InvalidCertificate
from certs.credentials import InvalidCredentials, PrivateKey, public_bytes, read_key, spki
from certs.fitness import ROLES
from certs.lifetime import in_words
from certs.names import Names, names
from certs.trust_bundle import TrustBundle
from certs.verification import Role, Untrusted
from certs.weakness import weaknesses

Kind = Literal["trust anchor", "issuer", "leaf"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate as it is shown."""

    kind: Kind
    subject: str
    identity: str | None
    spiffe: str | None
    not_before: datetime
    not_after: datetime
    left: str
    """How long it is still valid, in words."""
    key: str
    signature: str
    issuer: str
    speaks_for: str
    """For whom a holder of its key can speak, as a sentence."""
    fingerprint: str
    """SHA-256 of the whole certificate."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one file holds. It is good if *wrong* is empty."""

    file: str
    certificates: tuple[Certificate, ...] = ()
    keys: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """A file read: its certificates and its keys, or why it could not be read."""

    file: str
    chain: tuple[x509.Certificate, ...] = ()
    keys: tuple[PrivateKey, ...] = field(default=(), repr=False)
    wrong: tuple[str, ...] = ()


def opened(file: str, data: bytes) -> Opened:
    """Read *data*, keeping on past what cannot be read."""
    try:
        blocks = pem.blocks(data)
    except pem.InvalidPem as error:
        return Opened(file, wrong=(f"the file cannot be read: {error}",))
    chain: list[x509.Certificate] = []
    keys: list[PrivateKey] = []
    wrong: list[str] = []
    for number, block in enumerate(blocks, 1):
        try:
            if block.label in certificate.LABELS:
                chain.append(certificate.parse(block.body))
            elif block.label.endswith("PRIVATE KEY"):
                keys.append(read_key(data))
            elif block.label != "EC PARAMETERS":
                wrong.append(f"block {number} is a {block.label}, neither a certificate nor a key")
        except (InvalidCertificate, InvalidCredentials) as error:
            wrong.append(f"block {number}: {error}")
    return Opened(file, tuple(chain), tuple(keys), tuple(wrong))


def inspect(files: Sequence[Opened], *, at: datetime, bundle: TrustBundle | None) -> list[Report]:
    """
    A report for each file. Keys are compared with the certificates of all files together;
    with *bundle*, chains are verified as the gateway does.
    """
    leaves = [file.chain[0] for file in files if file.chain]
    return [_report(file, leaves, at, bundle) for file in files]


def _report(
    file: Opened, leaves: Sequence[x509.Certificate], at: datetime, bundle: TrustBundle | None
) -> Report:
    chain = file.chain
    wrong = [*file.wrong, *_wrong_each(chain, at), *_wrong_order(chain), *_wrong_keys(file.keys, leaves)]
    warnings = [*_ending(chain, at), *_weak(chain)]
    for refusals in (_by_role(chain), _by_role_under(chain, at, bundle)):
        # Good for neither end is wrong; good for one of them may be what was wanted.
        (wrong if len(refusals) == len(ROLES) else warnings).extend(refusals)
    return Report(
        file.file,
        tuple(_shown(link, at) for link in chain),
        tuple(certificate.key_type(key.public_key()) for key in file.keys),
        tuple(dict.fromkeys(wrong)),
        tuple(dict.fromkeys(warnings)),
    )


def _wrong_each(chain: Sequence[x509.Certificate], at: datetime) -> Iterable[str]:
    for number, link in enumerate(chain, 1):
        kind = _kind(link)
        what = f"certificate {number} ({kind})"
        if at > link.not_valid_after_utc:
            yield f"{what} has expired: it was valid {certificate.validity(link)}"
        if at < link.not_valid_before_utc:
            yield f"{what} is not valid yet: it is valid {certificate.validity(link)}"
        try:
            if kind == "trust anchor":
                certificate.check_anchor(link)
            elif kind == "leaf":
                names(link)
        except InvalidCertificate as error:
            yield f"{what}: {error}"


def _wrong_order(chain: Sequence[x509.Certificate]) -> Iterable[str]:
    if all(_kind(link) == "trust anchor" for link in chain):
        return  # a bundle, and no chain
    for number, (link, above) in enumerate(pairwise(chain), 1):
        if not certificate.issued_by(link, above):
            yield (
                f"certificate {number} is not signed by certificate {number + 1}: "
                "the order is leaf, its issuer, and so on upwards"
            )


def _by_role(chain: Sequence[x509.Certificate]) -> list[str]:
    """Why peers would refuse it whatever their anchors are: as a client's, as a server's."""
    found = [(role, flaw) for role in ROLES if (flaw := _flaw(chain, role))]
    flaws = {flaw for _, flaw in found}
    if len(found) == len(ROLES) and len(flaws) == 1:
        return [f"{what}: {said}" for what, said in flaws] * len(ROLES)
    return [f"{what}, as a {role}'s: {said}" for role, (what, said) in found]


def _flaw(chain: Sequence[x509.Certificate], role: Role) -> tuple[str, str] | None:
    """The first certificate that a peer would refuse in this *role*, and why."""
    for number, link in enumerate(chain, 1):
        kind = _kind(link)
        try:
            if kind != "trust anchor":
                below = 0 if kind == "leaf" else max(number - 1, 1)
                profile.check_link(link, below=below, role=role)
        except InvalidCertificate as error:
            return f"certificate {number} ({kind})", str(error)
    return None


def _by_role_under(chain: Sequence[x509.Certificate], at: datetime, bundle: TrustBundle | None) -> list[str]:
    """Why peers who hold *bundle* would refuse it."""
    if bundle is None or not chain:
        return []
    if _kind(chain[0]) != "leaf":
        vouched = any(link == a or certificate.issued_by(link, a) for link in chain for a in bundle.anchors)
        sentence = "none of the trust anchors signed it: peers would refuse every leaf under it"
        return [] if vouched else [sentence] * len(ROLES)
    sent = [link.public_bytes(Encoding.DER) for link in chain]
    refusals = []
    for role in ROLES:
        try:
            verification.verify(sent, bundle, role=role, at=at)
        except Untrusted as error:
            refusals.append(f"peers would refuse it as a {role}: {error}")
    return refusals


def _wrong_keys(keys: Sequence[PrivateKey], leaves: Sequence[x509.Certificate]) -> Iterable[str]:
    for key in keys:
        if leaves and public_bytes(key) not in [spki(leaf) for leaf in leaves]:
            yield "the key belongs to none of the certificates given: one of the two was replaced alone"


def _ending(chain: Sequence[x509.Certificate], at: datetime) -> Iterable[str]:
    for number, link in enumerate(chain, 1):
        if at <= link.not_valid_after_utc and certificate.ends_soon(link, at):
            left = in_words(link.not_valid_after_utc - at)
            yield f"certificate {number} ({_kind(link)}) ends in {left}: renew it"


def _weak(chain: Sequence[x509.Certificate]) -> Iterable[str]:
    """Of a leaf's chain the leaf alone: its issuers are inspected where they are kept."""
    own = chain[:1] if chain and _kind(chain[0]) == "leaf" else chain
    for number, link in enumerate(own, 1):
        yield from (f"certificate {number} ({_kind(link)}): {weak}" for weak in weaknesses(link))


def _kind(link: x509.Certificate) -> Kind:
    if not certificate.is_authority(link):
        return "leaf"
    return "trust anchor" if certificate.issued_by(link, link) else "issuer"


def _shown(link: x509.Certificate, at: datetime) -> Certificate:
    found = _names(link)
    return Certificate(
        kind=_kind(link),
        subject=link.subject.rfc4514_string(),
        identity=found.identity.dns_name if found else None,
        spiffe=found.spiffe if found else None,
        not_before=link.not_valid_before_utc,
        not_after=link.not_valid_after_utc,
        left=in_words(link.not_valid_after_utc - at) if at <= link.not_valid_after_utc else "expired",
        key=certificate.key_type(link.public_key()),
        signature=certificate.signature_type(link),
        issuer=link.issuer.rfc4514_string(),
        speaks_for=_speaks_for(link, found),
        fingerprint=link.fingerprint(hashes.SHA256()).hex(),
    )


def _names(link: x509.Certificate) -> Names | None:
    try:
        return names(link)
    except InvalidCertificate:
        return None


def _speaks_for(link: x509.Certificate, found: Names | None) -> str:
    if _kind(link) == "leaf":
        return "itself" if found else "nobody: its names are not taken"
    domains = constrained_to(link)
    if domains is None:
        return "every workload and every gateway of all clusters (it is bound to no trust domain)"
    return f"workloads and gateways of trust domain {' or '.join(domains)} only"
