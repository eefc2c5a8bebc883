"""
Our own rules for every certificate below the anchor: what OpenSSL's strict flag would ask
(it cannot be set, since it also judges the anchor's form), and the limits of what we take.
"""

from collections.abc import Sequence
from typing import Literal

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs import certificate, der
from certs.certificate import InvalidCertificate, extension

PURPOSE = {"client": ExtendedKeyUsageOID.CLIENT_AUTH, "server": ExtendedKeyUsageOID.SERVER_AUTH}

_FOREIGN = {
    "1.3.6.1.5.5.7.1.14": "a proxy certificate (RFC 3820)",
    "1.3.6.1.5.5.7.1.7": "one for addresses (RFC 3779)",
    "1.3.6.1.5.5.7.1.8": "one for routing (RFC 3779)",
}
"""What OpenSSL judges by rules of its own, of which the other two layers know nothing."""

_NETSCAPE_TYPE = x509.ObjectIdentifier("2.16.840.1.113730.1.1")
_NETSCAPE_BIT = {"client": 0x80, "server": 0x40}


def check(path: Sequence[x509.Certificate], role: Literal["client", "server"]) -> None:
    """Raises InvalidCertificate unless *path*, from a leaf to its anchor, is as we take it."""
    for below, link in enumerate(path[:-1]):
        try:
            check_link(link, below=below, role=role)
            _check_signer(link, path[below + 1])
        except InvalidCertificate as error:
            raise InvalidCertificate(f"the {place(below)}: {error}") from error


def place(below: int) -> str:
    """What a certificate with *below* others beneath it is called."""
    return "issuer" if below else "leaf"


def check_link(link: x509.Certificate, *, below: int, role: Literal["client", "server"]) -> None:
    """The same for one certificate with *below* others beneath it: 0 for a leaf, 1 for its issuer."""
    _check_any(link)
    if below:
        _check_issuer(link, below, role)
    else:
        _check_leaf(link, role)
    purposes = extension(link, x509.ExtendedKeyUsage)
    if purposes is not None and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes.value:
        raise InvalidCertificate("its extended key usage allows everything, which nobody needs")


def _check_any(link: x509.Certificate) -> None:
    if link.version is not x509.Version.v3:
        raise InvalidCertificate("it is not an X.509 version 3 certificate")
    if link.serial_number <= 0:
        raise InvalidCertificate("its serial number is not positive")
    if link.serial_number.bit_length() >= 8 * 20:
        raise InvalidCertificate("its serial number is longer than 20 bytes")
    if der.has_unique_id(link):
        raise InvalidCertificate("it has a unique identifier beside a name, which nobody reads")
    for each in link.extensions:
        if (what := _FOREIGN.get(each.oid.dotted_string)) is not None:
            raise InvalidCertificate(f"it is {what}, which we do not follow")
    certificate.check_key(link.public_key())
    certificate.check_signature_hash(link)
    signer = extension(link, x509.AuthorityKeyIdentifier)
    if signer is None or signer.value.key_identifier is None:
        raise InvalidCertificate(
            "it does not say which key signed it (authorityKeyIdentifier=keyid is missing)"
        )
    if signer.critical:
        raise InvalidCertificate("its authority key identifier is marked critical, which it must not be")
    own = extension(link, x509.SubjectKeyIdentifier)
    if own is not None and own.critical:
        raise InvalidCertificate("its subject key identifier is marked critical, which it must not be")
    purposes = extension(link, x509.ExtendedKeyUsage)
    if purposes is not None and purposes.critical:
        raise InvalidCertificate("its extended key usage is marked critical, which it must not be")


def _check_signer(link: x509.Certificate, signer: x509.Certificate) -> None:
    named = extension(link, x509.AuthorityKeyIdentifier)
    own = extension(signer, x509.SubjectKeyIdentifier)
    if named is None:
        return
    if own is not None and named.value.key_identifier != own.value.digest:
        raise InvalidCertificate("it names another key as its signer's than that of the one above it")
    serial, issuers = named.value.authority_cert_serial_number, named.value.authority_cert_issuer
    names = [name.value for name in issuers or () if isinstance(name, x509.DirectoryName)]
    if (serial is not None and serial != signer.serial_number) or any(n != signer.issuer for n in names):
        raise InvalidCertificate("it names another certificate as its signer's than the one above it")


def _check_issuer(link: x509.Certificate, below: int, role: Literal["client", "server"]) -> None:
    constraints = extension(link, x509.BasicConstraints)
    if constraints is None or not constraints.value.ca:
        raise InvalidCertificate("it is not an authority (basic constraints do not say CA)")
    certificate.check_named(link)
    if not constraints.critical:
        raise InvalidCertificate("its basic constraints are not marked critical")
    most = constraints.value.path_length
    if most is not None and below - 1 > most:
        raise InvalidCertificate(f"{below - 1} issuers stand below it, and its path length allows {most}")
    usage = extension(link, x509.KeyUsage)
    if usage is None or not usage.value.key_cert_sign:
        raise InvalidCertificate("its key usage does not allow signing certificates (keyCertSign is missing)")
    own = extension(link, x509.SubjectKeyIdentifier)
    if own is None or own.critical:
        raise InvalidCertificate(
            "it has no plain subject key identifier (subjectKeyIdentifier=hash is missing)"
        )
    named = extension(link, x509.NameConstraints)
    if named is not None and not named.critical:
        raise InvalidCertificate(
            "its name constraints are not marked critical, so that some would pass over them"
        )
    if named is not None and named.value.public_bytes() != der.extension(link, named.oid):
        raise InvalidCertificate("its name constraints count labels (minimum, maximum), which nobody does")
    purposes = extension(link, x509.ExtendedKeyUsage)
    if purposes is not None and PURPOSE[role] not in purposes.value:
        raise InvalidCertificate(f"its extended key usage does not allow it to vouch for a {role}")


def _check_leaf(link: x509.Certificate, role: Literal["client", "server"]) -> None:
    if certificate.is_authority(link):
        raise InvalidCertificate("it is an authority's certificate, which no workload may use")
    constraints = extension(link, x509.BasicConstraints)
    if constraints is not None and constraints.value.path_length is not None:
        raise InvalidCertificate("it has a path length although it is no authority")
    usage = extension(link, x509.KeyUsage)
    if usage is not None:
        signs = usage.value.key_cert_sign or usage.value.crl_sign
        if signs or not usage.value.digital_signature:
            raise InvalidCertificate(
                "its key usage must allow digital signatures, and no signing of certificates or lists"
            )
    purposes = extension(link, x509.ExtendedKeyUsage)
    if purposes is None or PURPOSE[role] not in purposes.value:
        raise InvalidCertificate(
            f"its extended key usage does not allow it to be a {role} ({role}Auth is missing)"
        )
    if extension(link, x509.NameConstraints) is not None:
        raise InvalidCertificate("it has name constraints although it is no authority")
    for each in link.extensions:
        if isinstance(each.value, x509.UnrecognizedExtension) and each.oid == _NETSCAPE_TYPE:
            bits = each.value.value
            if len(bits) != 4 or bits[:2] != b"\3\2" or not bits[3] & _NETSCAPE_BIT[role]:
                raise InvalidCertificate(f"its Netscape certificate type does not allow it to be a {role}")
