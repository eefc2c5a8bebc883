"""
What the identity service costs: certificates a second, CPU for each, and memory.

With the token's review (by a `jackstay local-cluster` beside it, or the cluster of --kubeconfig) and without;
over connections that stay open and over a new TLS connection each, as proxies come. One process serves: its
CPU for one certificate says how many a core can issue, whoever else has the machine meanwhile.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from benchmarks.accounting import cpu_seconds, memory
from benchmarks.identity_load import Ask, Outcome, Place, measure
from benchmarks.machine import described
from benchmarks.programs import free_port, own_host, running
from certs.authority import chain_pem, make_issuer, make_leaf, make_root, new_key
from certs.credentials import Credentials, key_pem
from certs.identity import Identity
from certs.issuer import Settings
from certs.service import AUDIENCE
from certs.signing_request import make
from certs.trust_bundle import TrustBundle
from certs.verification import verify
from cluster.client import Cluster
from cluster.errors import AlreadyExists
from cluster.kinds import NAMESPACE, SERVICE_ACCOUNT
from cluster.own_access import local

JACKSTAY = (sys.executable, "-m", "cli")
CONNECTIONS = 16
WEB = Identity("web", "jackstay-benchmark", "jackstay", "cluster.local")
SETTINGS = Settings("jackstay", "cluster.local")
_BARE = "without the review"
_REVIEWED = "with the review"


@dataclass(frozen=True, slots=True)
class Row:
    """One way of asking."""

    what: str
    connections: str
    per_second: float
    cpu_ms: float
    """CPU of the service for one certificate."""

    per_core: float
    memory_before_mb: float
    memory_after_mb: float
    wrong: int


@dataclass(frozen=True, slots=True)
class Keys:
    """A new anchor, issuer and leaf of the service, and the request of one workload."""

    anchors: str
    key: bytes
    csr: str

    def ask(self, place: Place, token: str, seconds: float, *, kept: bool) -> Ask:
        body = json.dumps({"identity": WEB.dns_name, "token": token, "csr": self.csr}).encode()
        return Ask(place, self.anchors, SETTINGS.own.dns_name, body, CONNECTIONS, seconds, kept)

    def check(self, outcome: Outcome) -> None:
        """The last certificate is one that peers take. Raises what says why not."""
        chain = Credentials.from_pem(outcome.chain.encode(), self.key).chain
        bundle = TrustBundle.from_pem(self.anchors.encode())
        sent = [link.public_bytes(Encoding.DER) for link in chain]
        assert verify(sent, bundle, role="client", at=datetime.now(UTC)).identity == WEB.dns_name


def rows(seconds: float, kubeconfig: Path | None = None) -> list[Row]:
    """All four ways, one after the other. Raises DidNotStart."""
    with tempfile.TemporaryDirectory(prefix="jackstay-identity-") as name:
        directory = Path(name)
        keys = _keys(directory)
        with _bare(directory) as (pid, place):
            found = [_row(_BARE, pid, keys, place, "jackstay-benchmark/web", seconds, kept) for kept in BOTH]
        with (
            _cluster(directory, kubeconfig) as config,
            _reviewing(directory, config) as (pid, place),
        ):
            token = asyncio.run(_token(config))
            found += [_row(_REVIEWED, pid, keys, place, token, seconds, kept) for kept in BOTH]
    return found


BOTH = (True, False)


def _row(what: str, pid: int, keys: Keys, place: Place, token: str, seconds: float, kept: bool) -> Row:  # noqa: FBT001
    before, cpu = memory(pid), cpu_seconds(pid)
    outcome = measure(keys.ask(place, token, seconds, kept=kept))
    spent = cpu_seconds(pid) - cpu
    keys.check(outcome)
    each = spent / outcome.issued
    return Row(
        what,
        "kept open" if kept else "a new one each",
        per_second=outcome.issued / outcome.seconds,
        cpu_ms=each * 1000,
        per_core=1 / each,
        memory_before_mb=before / 1e6,
        memory_after_mb=memory(pid) / 1e6,
        wrong=outcome.wrong,
    )


def to_markdown(found: Sequence[Row], machine: str, command: str) -> str:
    lines = [
        f"Identity service, {CONNECTIONS} at once. `{command}` on {machine}.",
        "",
        "| issuance | connections | per second | CPU each | per core | memory before, after | wrong |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.what} | {row.connections} | {row.per_second:.0f} | {row.cpu_ms:.2f} ms | {row.per_core:.0f} "
        f"| {row.memory_before_mb:.0f}, {row.memory_after_mb:.0f} MB | {row.wrong} |"
        for row in found
    ]
    return "\n".join(lines) + "\n"


def to_json(found: Sequence[Row], machine: str) -> str:
    return json.dumps({"machine": machine, "rows": [asdict(row) for row in found]}, indent=2) + "\n"


def run(seconds: float, results: Path, kubeconfig: Path | None) -> int:
    """Measure, print and write; 1 if an answer was no certificate."""
    found, machine = rows(seconds, kubeconfig), described(())
    markdown = to_markdown(found, machine, "python -m benchmarks identity")
    results.mkdir(parents=True, exist_ok=True)
    (results / "identity.json").write_text(to_json(found, machine))
    (results / "identity.md").write_text(markdown)
    print(markdown)
    return 1 if any(row.wrong for row in found) else 0


def _keys(directory: Path) -> Keys:
    now = datetime.now(UTC)
    root = make_root("root.jackstay", now=now)
    issuer = make_issuer("identity.jackstay", root, now=now)
    chain, key = make_leaf(SETTINGS.own, issuer, now=now)
    for name, content in (
        ("root.crt", root.pem),
        ("issuer.crt", issuer.pem),
        ("issuer.key", issuer.key_pem),
        ("identity.crt", chain_pem(*chain)),
        ("identity.key", key_pem(key)),
    ):
        (directory / name).write_bytes(content)
    web = new_key()
    return Keys(root.pem.decode(), key_pem(web), make(WEB, web).decode())


@contextmanager
def _bare(directory: Path) -> Iterator[tuple[int, Place]]:
    host = own_host()
    place = host, free_port(host)
    argv = [sys.executable, "-m", "benchmarks.identity_bare", str(directory), host, str(place[1])]
    with running(argv, directory / "bare.log", listens=[place]) as pid:
        yield pid, place


@contextmanager
def _reviewing(directory: Path, kubeconfig: Path) -> Iterator[tuple[int, Place]]:
    host = own_host()
    place = host, free_port(host)
    argv = [
        *JACKSTAY,
        "identity",
        *("--kubeconfig", str(kubeconfig), "--listen", f"{host}:{place[1]}", "--admin", f"{host}:0"),
        *("--trust-anchors", str(directory / "root.crt")),
        *("--issuer-certificate", str(directory / "issuer.crt")),
        *("--issuer-key", str(directory / "issuer.key")),
        *("--issuance-rate", "1000000", "--issuance-burst", "1000000", "--log-format", "json"),
    ]
    with running(argv, directory / "identity.log", listens=[place]) as pid:
        yield pid, place


@contextmanager
def _cluster(directory: Path, kubeconfig: Path | None) -> Iterator[Path]:
    """How to reach the cluster that reviews: the given one, or a small one that runs in the block."""
    if kubeconfig is not None:
        yield kubeconfig
        return
    host, config = own_host(), directory / "kubeconfig"
    place = host, free_port(host)
    argv = [
        *JACKSTAY,
        *("local-cluster", "--name", "benchmark", "--listen", f"{host}:{place[1]}"),
        *("--service-range", f"{host.rpartition('.')[0]}.0/24", "--kubeconfig", str(config)),
    ]
    with running(argv, directory / "cluster.log", listens=[place]):
        yield config


async def _token(kubeconfig: Path) -> str:
    """A token of the workload, whose account is made if need be."""
    async with Cluster(local(kubeconfig)) as cluster:
        for kind, metadata in (
            (NAMESPACE, {"name": WEB.namespace}),
            (SERVICE_ACCOUNT, {"name": WEB.service_account, "namespace": WEB.namespace}),
        ):
            body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
            try:
                await cluster.create(kind, body)
            except AlreadyExists:
                continue
        made = await cluster.create_token(
            WEB.namespace, WEB.service_account, audiences=[AUDIENCE], seconds=3600
        )
        return made.token
