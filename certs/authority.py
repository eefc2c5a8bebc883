"""
Making certificates: a trust anchor, an issuer for a cluster under it, leaves under that.

    anchor   10 years, self-signed
    issuer   1 year, may sign leaves only; with a trust domain, only leaves of that domain
    leaf     24 hours, no subject, the identity as DNS name and SPIFFE URI

Every certificate is backdated, by SKEW unless told, for clocks that are behind, and none outlives the one
that signed it: verifiers add no tolerance of their own.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs import certificate
from certs.certificate import InvalidCertificate
from certs.credentials import PrivateKey, key_pem, public_bytes, spki
from certs.identity import Identity, check_trust_domain

SKEW = timedelta(minutes=1)
ROOT_LIFETIME = timedelta(days=3652)
ISSUER_LIFETIME = timedelta(days=365)
LEAF_LIFETIME = timedelta(hours=24)


class CannotIssue(ValueError):
    """The authority may not sign this; says why."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate that may sign others, with its key and whatever stands between it and the anchor."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)
    above: tuple[x509.Certificate, ...] = ()
    """Its own issuers in order, without the anchor."""

    @property
    def pem(self) -> bytes:
        return chain_pem(self.certificate, *self.above)

    @property
    def key_pem(self) -> bytes:
        return key_pem(self.key)


def make_root(name: str, *, now: datetime, lifetime: timedelta = ROOT_LIFETIME) -> Authority:
    """A new trust anchor."""
    key = new_key()
    builder = _builder(_named(name), _named(name), key.public_key(), now, now + lifetime)
    builder = _for_authority(builder, key, path_length=None)
    return Authority(builder.sign(key, hashes.SHA256()), key)


def make_issuer(
    name: str,
    root: Authority,
    *,
    now: datetime,
    lifetime: timedelta = ISSUER_LIFETIME,
    trust_domain: str | None = None,
) -> Authority:
    """
    A new issuer under *root*, which signs leaves and no further authorities.

    With *trust_domain* it is bound to that domain by a critical constraint on DNS names,
    which both verifiers hold. Raises CannotIssue or InvalidIdentity.
    """
    key = new_key()
    _check_may_sign(root, now, authorities=True)
    builder = _builder(
        _named(name), root.certificate.subject, key.public_key(), now, _end(root, now + lifetime)
    )
    builder = _for_authority(builder, key, path_length=0)
    builder = builder.add_extension(_issued_by(root), critical=False)
    if trust_domain is not None:
        check_trust_domain(trust_domain)
        # A constraint on URIs beside it would make `cryptography` refuse every chain.
        constraint = x509.NameConstraints([x509.DNSName(trust_domain)], None)
        builder = builder.add_extension(constraint, critical=True)
    return Authority(builder.sign(root.key, certificate.digest_for(root.key)), key, _above(root))


def make_leaf(
    identity: Identity,
    issuer: Authority,
    *,
    now: datetime,
    lifetime: timedelta = LEAF_LIFETIME,
    skew: timedelta = SKEW,
) -> tuple[tuple[x509.Certificate, ...], PrivateKey]:
    """A new key and its chain, leaf first, without the anchor. Raises CannotIssue."""
    key = new_key()
    return sign_leaf(identity, key.public_key(), issuer, now=now, lifetime=lifetime, skew=skew), key


def sign_leaf(
    identity: Identity,
    key: CertificatePublicKeyTypes,
    issuer: Authority,
    *,
    now: datetime,
    lifetime: timedelta = LEAF_LIFETIME,
    skew: timedelta = SKEW,
) -> tuple[x509.Certificate, ...]:
    """The chain, leaf first and without the anchor, for somebody else's key. Raises CannotIssue."""
    _check_may_sign(issuer, now, authorities=False)
    if not permits(issuer.certificate, identity.dns_name):
        raise CannotIssue(
            f"the issuer is bound to {' and '.join(constrained_to(issuer.certificate) or ())} "
            f"and may not speak for {identity.dns_name}"
        )
    names = (x509.DNSName(identity.dns_name), x509.UniformResourceIdentifier(identity.spiffe_uri))
    builder = (
        _builder(x509.Name([]), issuer.certificate.subject, key, now, _end(issuer, now + lifetime), skew)
        # Critical, since the subject is empty: a common name is limited to 64 characters.
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(_issued_by(issuer), critical=False)
    )
    return builder.sign(issuer.key, certificate.digest_for(issuer.key)), *_above(issuer)


def new_key() -> ec.EllipticCurvePrivateKey:
    """A key of the one kind that we make."""
    return ec.generate_private_key(ec.SECP256R1())


def chain_pem(*chain: x509.Certificate) -> bytes:
    """Certificates as one PEM file."""
    return b"".join(link.public_bytes(Encoding.PEM) for link in chain)


def load_authority(chain: tuple[x509.Certificate, ...], key: PrivateKey) -> Authority:
    """The authority whose certificate comes first in *chain*. Raises CannotIssue if it cannot be one."""
    first = chain[0]
    if public_bytes(key) != spki(first):
        raise CannotIssue("the authority's key does not belong to its certificate")
    try:
        certificate.check_key(first.public_key())
        if not certificate.is_authority(first):
            raise CannotIssue(
                "the certificate is not an authority's (basic constraints do not say CA): it may sign nothing"
            )
        certificate.check_named(first)
        if not certificate.issued_by(first, first):  # how a root signs itself is its own affair
            certificate.check_signature_hash(first)
    except InvalidCertificate as error:
        raise CannotIssue(f"the authority cannot be used: {error}") from error
    return Authority(first, key, chain[1:])


def constrained_to(issuer: x509.Certificate) -> tuple[str, ...] | None:
    """The DNS domains that *issuer* may speak for, or None for every one."""
    found = certificate.extension(issuer, x509.NameConstraints)
    if found is None or found.value.permitted_subtrees is None:
        return None
    domains = tuple(name.value for name in found.value.permitted_subtrees if isinstance(name, x509.DNSName))
    return domains or None


def permits(issuer: x509.Certificate, dns_name: str) -> bool:
    """Whether *issuer*'s own name constraints let it sign for *dns_name*."""
    domains = constrained_to(issuer)
    return domains is None or any(
        dns_name == domain or dns_name.endswith("." + domain.removeprefix(".")) for domain in domains
    )


def _check_may_sign(signer: Authority, now: datetime, *, authorities: bool) -> None:
    if not certificate.valid_at(signer.certificate, now):
        raise CannotIssue(f"the authority is not valid now, but {certificate.validity(signer.certificate)}")
    usage = certificate.extension(signer.certificate, x509.KeyUsage)
    if usage is not None and not usage.value.key_cert_sign:
        raise CannotIssue("the authority's key usage does not allow signing certificates")
    constraints = certificate.extension(signer.certificate, x509.BasicConstraints)
    if authorities and constraints is not None and constraints.value.path_length == 0:
        raise CannotIssue(
            "the authority may sign leaves only (its path length is 0); an issuer is signed by the root"
        )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: CertificatePublicKeyTypes,
    now: datetime,
    end: datetime,
    skew: timedelta = SKEW,
) -> x509.CertificateBuilder:
    if end <= now:
        raise CannotIssue("the lifetime is over before it begins")
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - skew)
        .not_valid_after(end)
    )


def _for_authority(
    builder: x509.CertificateBuilder, key: PrivateKey, *, path_length: int | None
) -> x509.CertificateBuilder:
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_usage(key_cert_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _issued_by(signer: Authority) -> x509.AuthorityKeyIdentifier:
    own = certificate.extension(signer.certificate, x509.SubjectKeyIdentifier)
    if own is None:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)


def _above(signer: Authority) -> tuple[x509.Certificate, ...]:
    """What goes above a certificate that *signer* signed: no anchor, which the other side has."""
    chain = (signer.certificate, *signer.above)
    return tuple(link for link in chain if not certificate.issued_by(link, link))


def _end(signer: Authority, wished: datetime) -> datetime:
    return min(
        wished, signer.certificate.not_valid_after_utc, *(up.not_valid_after_utc for up in signer.above)
    )


def _named(name: str) -> x509.Name:
    if not 1 <= len(name) <= 64:
        raise CannotIssue(f"the name {name!r} has {len(name)} characters; a common name has 1 to 64")
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
