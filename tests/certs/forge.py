"""
Chains with one flaw: a good root, issuer and leaf, described as values, changed and signed.

    forge(leaf=without(x509.ExtendedKeyUsage))
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.identity import Identity
from certs.trust_bundle import TrustBundle

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
WEB = Identity("web", "test", "jackstay", "cluster.local")

CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH

Extensions = Mapping[type[x509.ExtensionType], tuple[x509.ExtensionType, bool]]


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Draft:
    """A certificate before it is signed; key identifiers are added when it is."""

    subject: str
    extensions: Extensions
    key: CertificateIssuerPrivateKeyTypes = field(default_factory=new_key)
    digest: hashes.SHA256 | hashes.SHA512 | hashes.SHA224 | None = field(default_factory=hashes.SHA256)
    begin: datetime = NOW - HOUR
    end: datetime = NOW + HOUR
    key_identifiers: bool = True
    signer_name: str | None = None


Change = Callable[[Draft], Draft]


@dataclass(frozen=True)
class Forged:
    """The chain as a peer would send it, and the anchors that should or should not vouch for it."""

    certificates: tuple[x509.Certificate, ...]
    key: CertificateIssuerPrivateKeyTypes
    root: x509.Certificate
    signer: CertificateIssuerPrivateKeyTypes
    """The key that signed the leaf."""

    @property
    def chain(self) -> list[bytes]:
        return [link.public_bytes(Encoding.DER) for link in self.certificates]

    @property
    def pem(self) -> bytes:
        return b"".join(link.public_bytes(Encoding.PEM) for link in self.certificates)

    @property
    def bundle(self) -> TrustBundle:
        return TrustBundle.from_pem(self.root.public_bytes(Encoding.PEM))


def usage(*names: str) -> x509.KeyUsage:
    """A key usage with *names* set."""
    every = inspect.signature(x509.KeyUsage).parameters
    return x509.KeyUsage(**{name: name in names for name in every})


def sans(*names: x509.GeneralName) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(names)


def dns(name: str) -> x509.DNSName:
    """A DNS name with any characters that fit IA5String."""
    return x509.DNSName._init_without_validation(name)


def uri(name: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier._init_without_validation(name)


def authority(subject: str, path_length: int | None = None) -> Draft:
    return Draft(
        subject,
        {
            x509.BasicConstraints: (x509.BasicConstraints(True, path_length), True),
            x509.KeyUsage: (usage("key_cert_sign", "crl_sign"), True),
        },
    )


def leaf_draft() -> Draft:
    return Draft(
        "",
        {
            x509.SubjectAlternativeName: (sans(dns(WEB.dns_name), uri(WEB.spiffe_uri)), True),
            x509.BasicConstraints: (x509.BasicConstraints(False, None), True),
            x509.KeyUsage: (usage("digital_signature"), True),
            x509.ExtendedKeyUsage: (x509.ExtendedKeyUsage([SERVER, CLIENT]), False),
        },
    )


def same(draft: Draft) -> Draft:
    return draft


def without(kind: type[x509.ExtensionType]) -> Change:
    return lambda draft: replace(
        draft, extensions={k: v for k, v in draft.extensions.items() if k is not kind}
    )


def having(value: x509.ExtensionType, *, critical: bool = False) -> Change:
    return lambda draft: replace(draft, extensions={**draft.extensions, type(value): (value, critical)})


def but(**changes: object) -> Change:
    return lambda draft: replace(draft, **changes)  # type: ignore[arg-type]  # fields by name


def named(*names: x509.GeneralName) -> Change:
    return having(sans(*names), critical=True)


def forge(
    *,
    root: Change = same,
    issuer: Change = same,
    top: Change = same,
    leaf: Change = same,
    issuers: int = 1,
) -> Forged:
    """
    A root, *issuers* under each other (each changed by *issuer*), and a leaf at the end.

    The first of the issuers, right under the root, is also changed by *top*.
    """
    anchor = root(authority("root"))
    certificates = [sign(anchor, None)]
    signer = anchor
    for number in range(issuers):
        draft = issuer(authority(f"issuer {number}"))
        draft = draft if number else top(draft)
        certificates.insert(0, sign(draft, (signer, certificates[0])))
        signer = draft
    last = leaf(leaf_draft())
    certificates.insert(0, sign(last, (signer, certificates[0])))
    return Forged(tuple(certificates[:-1]), last.key, certificates[-1], signer.key)


def sign(draft: Draft, signer: tuple[Draft, x509.Certificate] | None) -> x509.Certificate:
    """*draft* signed by *signer*, or by itself."""
    by, above = signer or (draft, None)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(draft.subject))
        .issuer_name(_name(draft.signer_name or by.subject))
        .public_key(draft.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(draft.begin)
        .not_valid_after(draft.end)
    )
    for extension, critical in draft.extensions.values():
        builder = builder.add_extension(extension, critical)
    if draft.key_identifiers:
        kinds = draft.extensions
        if x509.SubjectKeyIdentifier not in kinds:
            own = x509.SubjectKeyIdentifier.from_public_key(draft.key.public_key())
            builder = builder.add_extension(own, critical=False)
        if above is not None and x509.AuthorityKeyIdentifier not in kinds:
            theirs = x509.AuthorityKeyIdentifier.from_issuer_public_key(above.public_key())  # type: ignore[arg-type]  # signed by it
            builder = builder.add_extension(theirs, critical=False)
    return builder.sign(by.key, by.digest)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else [])
