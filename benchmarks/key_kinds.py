"""
Certificates by kind of key and length of chain: authorities and leaves all have keys of one kind.

`certs.authority` makes P-256 alone, and one issuer below an anchor; what peers bring is of all kinds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from benchmarks.site import Leaf, Site
from certs.authority import Authority, chain_pem, sign_leaf
from certs.certificate import digest_for
from certs.credentials import PrivateKey, key_pem
from certs.identity import Identity


@dataclass(frozen=True, slots=True)
class Kind:
    """What both ends show."""

    key: str
    issuers: int

    def __str__(self) -> str:
        return f"{self.key}, {self.issuers} issuer{'s' if self.issuers > 1 else ''}"


KINDS = (
    *(Kind(key, 1) for key in ("P-256", "P-384", "RSA 2048", "RSA 3072", "RSA 4096")),
    *(Kind("P-256", issuers) for issuers in (2, 3, 4)),
)


def new_key(kind: str) -> PrivateKey:
    """A key of that kind."""
    if kind.startswith("RSA"):
        return rsa.generate_private_key(65537, int(kind.removeprefix("RSA ")))
    return ec.generate_private_key({"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}[kind])


def authorities(kind: Kind, now: datetime) -> tuple[x509.Certificate, Authority]:
    """The anchor, and the lowest issuer of the chain below it."""
    key = new_key(kind.key)
    above: tuple[x509.Certificate, ...] = ()
    anchor = signer = _authority("root", key, "root", key, now)
    for number in range(kind.issuers):
        own = new_key(kind.key)
        name = f"issuer {number}"
        issuer_name = "root" if number == 0 else f"issuer {number - 1}"
        signer = _authority(name, own, issuer_name, key, now)
        above, key = (signer, *above), own
    return anchor, Authority(signer, key, above[1:])


def _authority(name: str, key: PrivateKey, above: str, signer: PrivateKey, now: datetime) -> x509.Certificate:
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)  # its own order
    return (
        x509.CertificateBuilder(
            _named(above),
            _named(name),
            key.public_key(),
            x509.random_serial_number(),
            now - timedelta(minutes=1),
            now + timedelta(days=30),
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, digest_for(signer.public_key()))
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@dataclass(frozen=True, slots=True)
class OfKind:
    """A site whose both ends show chains of one kind, and who else may come there."""

    site: Site
    chain_bytes: int
    """What the client shows, DER."""
    issuer: Authority = field(repr=False)
    client_key: PrivateKey = field(repr=False)

    def newcomers(self, count: int) -> Sequence[Leaf]:
        """So many more clients. One key for all: it is the certificates that nobody has seen."""
        now = datetime.now(UTC)
        return [
            _leaf(self.site, f"newcomer-{number}", "test", self.client_key, self.issuer, now)
            for number in range(count)
        ]


def of_kind(here: Site, kind: Kind) -> OfKind:
    """*here* with certificates of that kind, in files of its own."""
    now = datetime.now(UTC)
    directory = here.directory / str(kind).replace(" ", "-").replace(",", "")
    directory.mkdir()
    here = replace(here, directory=directory, anchors=directory / "root.crt")
    anchor, issuer = authorities(kind, now)
    here.anchors.write_bytes(chain_pem(anchor))
    key = new_key(kind.key)
    gateway = _leaf(here, "jackstay-gateway", "jackstay", new_key(kind.key), issuer, now)
    client = _leaf(here, "web", "test", key, issuer, now)
    sent = x509.load_pem_x509_certificates(client.certificate.read_bytes())
    size = sum(len(link.public_bytes(Encoding.DER)) for link in sent)
    return OfKind(replace(here, gateway=gateway, client=client), size, issuer, key)


def _leaf(
    here: Site, account: str, namespace: str, key: PrivateKey, issuer: Authority, now: datetime
) -> Leaf:
    identity = Identity(account, namespace, "jackstay", "cluster.local")
    chain = chain_pem(*sign_leaf(identity, key.public_key(), issuer, now=now))
    stem = here.directory / account
    files = Leaf(
        identity.dns_name, stem.with_suffix(".crt"), stem.with_suffix(".key"), stem.with_suffix(".pem")
    )
    files.certificate.write_bytes(chain)
    files.key.write_bytes(key_pem(key))
    return files
