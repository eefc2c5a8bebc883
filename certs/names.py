"""
What a leaf says its holder is called, read from the subject alternative name alone.

Verifiers of chains do not look into these names: one with a NUL, a comma, a wildcard or a
second name passes them. Here exactly one DNS name in the strict form of `identity` is
taken, with at most one SPIFFE URI that says the same. The common name counts for nothing.
"""

from dataclasses import dataclass

from cryptography import x509

from certs import certificate
from certs.certificate import InvalidCertificate
from certs.identity import Identity, InvalidIdentity


@dataclass(frozen=True, slots=True)
class Names:
    """The identity of a leaf, and the SPIFFE URI beside it if there is one."""

    identity: Identity
    spiffe: str | None


def names(leaf: x509.Certificate) -> Names:
    """Read the names of *leaf*. Raises InvalidCertificate."""
    found = certificate.extension(leaf, x509.SubjectAlternativeName)
    if found is None:
        raise InvalidCertificate(
            "it names nobody: it has no subject alternative name (the common name is not read)"
        )
    dns: list[str] = []
    uris: list[str] = []
    for name in found.value:
        match name:
            case x509.DNSName():
                dns.append(name.value)
            case x509.UniformResourceIdentifier():
                uris.append(name.value)
            case _:
                raise InvalidCertificate(
                    f"it carries a name of another kind ({type(name).__name__}) beside its DNS name"
                )
    if len(dns) != 1:
        raise InvalidCertificate(f"it carries {len(dns)} DNS names where it must carry one, its identity")
    try:
        identity = Identity.parse(dns[0])
    except InvalidIdentity as error:
        raise InvalidCertificate(str(error)) from error
    return Names(identity, _spiffe(uris, identity))


def _spiffe(uris: list[str], identity: Identity) -> str | None:
    if not uris:
        return None
    if uris != [identity.spiffe_uri]:
        raise InvalidCertificate(
            f"the URI beside its DNS name is not {identity.spiffe_uri}, so it says two different things"
        )
    return uris[0]
