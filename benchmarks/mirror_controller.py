"""The controller that is measured: `jackstay mirror` in a process of its own, and what it says of itself."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.accounting import cpu_seconds
from benchmarks.mirror_clock import Clock
from benchmarks.mirror_clusters import Site
from benchmarks.programs import own_host, running
from certs.authority import chain_pem, make_issuer, make_leaf, make_root
from certs.credentials import key_pem
from certs.identity import Identity
from process.address import Address

NAMESPACE, TRUST_DOMAIN, ADMIN_PORT = "jackstay", "cluster.local", 9990


@dataclass(frozen=True, slots=True)
class Controller:
    """One that runs."""

    pid: int
    admin: Address

    @property
    def cpu(self) -> float:
        """Seconds so far."""
        return cpu_seconds(self.pid)

    @property
    def peak_memory(self) -> int:
        """Bytes that were resident at most."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise ValueError(f"/proc/{self.pid}/status says nothing of VmHWM")

    async def writes(self) -> int:
        """How many writes of mirrors it has made."""
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
            session.get(f"http://{self.admin}/metrics") as response,
        ):
            text = await response.text()
        return sum(
            int(sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "mirror_writes_total"
        )


@contextmanager
def controller(west: Site, directory: Path, clock: Clock | None) -> Iterator[Controller]:
    """For as long as the block lasts, started as a user starts it outside a cluster; *clock* is its own."""
    admin = Address(own_host(), ADMIN_PORT)
    argv = [
        *(sys.executable, "-m", "cli", "mirror", "--kubeconfig", str(west.kubeconfig)),
        *("--context", "west", "-n", NAMESPACE, "--admin", str(admin), "--allow-loopback"),
        *("--log-level", "warning", *_certificate(directory)),
    ]
    if clock is not None:
        argv = clock.argv(argv)
    with running(argv, directory / "mirror.log", listens=[(admin.host, admin.port)]) as pid:
        yield Controller(pid, admin)


def _certificate(directory: Path) -> Iterator[str]:
    """Files, as the options that name them."""
    now = datetime.now(UTC)
    root = make_root("root.benchmark", now=now)
    issuer = make_issuer("issuer.benchmark", root, now=now, trust_domain=TRUST_DOMAIN)
    own = Identity("jackstay-mirror", NAMESPACE, NAMESPACE, TRUST_DOMAIN)
    chain, key = make_leaf(own, issuer, now=now)
    for option, name, content in (
        ("--trust-anchors", "root.crt", root.pem),
        ("--certificate", "mirror.crt", chain_pem(*chain)),
        ("--key", "mirror.key", key_pem(key)),
    ):
        path = directory / name
        path.write_bytes(content)
        yield from (option, str(path))
