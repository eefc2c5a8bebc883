"""
Handshakes at our gateway by kind of key and length of chain: how many a second, and how much CPU each.

    python -m benchmarks keys [--handshakes N] [--newcomers N]

Both ends show a chain of the same kind and length, authorities and leaf with keys of that kind. One client
comes again and again, and its chain is known after the first time; newcomers show a chain each that nobody
has seen. One message and its echo go with each handshake, nothing is resumed.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from benchmarks.machine import described
from benchmarks.ours import both_ends
from benchmarks.samples import QUICK, Sample, Sizes
from benchmarks.scenarios import handshakes as known_client
from benchmarks.scenarios import newcomers as unknown_clients
from benchmarks.site import Leaf, Site, site
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


@dataclass(frozen=True, slots=True)
class Row:
    """Of one kind: milliseconds of the gateway's CPU for each handshake, and how many a second there were."""

    kind: str
    chain_bytes: int
    known_ms: float | None
    known_rate: float | None
    newcomer_ms: float | None
    newcomer_rate: float | None
    wrong: int


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


def with_chains(here: Site, kind: Kind, newcomers: int) -> tuple[Site, int]:
    """*here* with certificates of that kind in files of its own; and how many bytes a chain has."""
    now = datetime.now(UTC)
    directory = here.directory / str(kind).replace(" ", "-").replace(",", "")
    directory.mkdir()
    anchor, issuer = authorities(kind, now)
    (directory / "root.crt").write_bytes(chain_pem(anchor))
    keys = {"server": new_key(kind.key), "client": new_key(kind.key)}
    size = 0

    def leaf(account: str, namespace: str, key: PrivateKey) -> Leaf:
        nonlocal size
        identity = Identity(account, namespace, "jackstay", "cluster.local")
        chain = sign_leaf(identity, key.public_key(), issuer, now=now)
        size = sum(len(link.public_bytes(Encoding.DER)) for link in chain)
        stem = directory / account
        files = Leaf(identity.dns_name, stem.with_suffix(".crt"), stem.with_suffix(".key"), stem)
        files.certificate.write_bytes(chain_pem(*chain))
        files.key.write_bytes(key_pem(key))
        return files

    made = replace(
        here,
        directory=directory,
        anchors=directory / "root.crt",
        gateway=leaf("jackstay-gateway", "jackstay", keys["server"]),
        client=leaf("web", "test", keys["client"]),
        # One key for all: it is the certificates that nobody has seen.
        newcomers=[leaf(f"newcomer-{number}", "test", keys["client"]) for number in range(newcomers)],
    )
    return made, size


def measured(here: Site, kind: Kind, sizes: Sizes) -> Row:
    there, size = with_chains(here, kind, sizes.newcomers)
    with both_ends(there) as way:
        known = known_client(way, there, sizes)
        unknown = unknown_clients(way, there, sizes)
    return Row(
        str(kind), size, _milliseconds(known), _rate(known), _milliseconds(unknown), _rate(unknown),
        known.wrong + unknown.wrong,
    )  # fmt: skip


def _milliseconds(sample: Sample) -> float | None:
    return None if sample.gateway is None else sample.gateway * 1e3


def _rate(sample: Sample) -> float | None:
    return None if not sample.wall else 1 / sample.wall


def run(results: Path, *, handshakes: int, newcomers: int) -> int:
    """Measure all kinds, and write JSON and Markdown; 1 if a handshake failed, else 0."""
    sizes = replace(QUICK, handshakes=handshakes, newcomers=newcomers)
    rows = []
    with tempfile.TemporaryDirectory(prefix="jackstay-keys-") as directory, site(Path(directory)) as here:
        for kind in KINDS:
            print(f"handshakes: {kind}")
            rows.append(measured(here, kind, sizes))
    machine = described(())
    results.mkdir(parents=True, exist_ok=True)
    as_json = {"machine": machine, "rows": [asdict(row) for row in rows]}
    (results / "keys.json").write_text(json.dumps(as_json, indent=2) + "\n")
    markdown = to_markdown(rows, machine, sizes)
    (results / "keys.md").write_text(markdown)
    print(f"\n{markdown}")
    return 1 if any(row.wrong for row in rows) else 0


def to_markdown(rows: Sequence[Row], machine: str, sizes: Sizes) -> str:
    """A row for each kind."""

    def cell(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    lines = [
        f"| {row.kind} | {row.chain_bytes:,} | {cell(row.known_ms, '.2f')} | {cell(row.known_rate, ',.0f')} "
        f"| {cell(row.newcomer_ms, '.2f')} | {cell(row.newcomer_rate, ',.0f')} | {row.wrong} |"
        for row in rows
    ]
    how = (
        f"{machine}. `python -m benchmarks keys`: {sizes.handshakes} handshakes by one client, "
        f"{sizes.newcomers} by newcomers; ms of the gateway's CPU, one worker. The rate, per second, is that "
        "of four clients in one process of this machine, whose own work counts in it."
    )
    head = "| chain of both ends | bytes | known client, ms | rate | newcomer, ms | rate | failed |"
    title = "# Handshakes at our gateway by kind of key and length of chain"
    return "\n".join([title, "", how, "", head, "|---|--:|--:|--:|--:|--:|--:|", *lines, ""])
