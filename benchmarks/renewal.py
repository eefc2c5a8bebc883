"""
Renewal of many proxies at once: one identity service, every proxy with its own account, token and key.

The service and the API server that reviews the tokens are processes of ours, as they run in production. The
proxies' side is `certs.renewal`, the same that runs in them, all in this process and on one thread: what a
proxy computes for a renewal is computed here one after the other, where in a cluster each has a machine.
"""

import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import uvloop

from benchmarks.accounting import cpu_seconds, memory
from benchmarks.machine import described
from benchmarks.programs import free_port, own_host, running
from benchmarks.storm import percentile
from certs.authority import Authority, chain_pem, make_issuer, make_leaf, make_root
from certs.credentials import key_pem
from certs.generation import Generation
from certs.identity import Identity
from certs.issuer import ACCOUNT
from certs.renewal import RenewedCertificate
from certs.service import AUDIENCE
from cluster.client import Cluster
from cluster.kinds import NAMESPACE, SERVICE_ACCOUNT
from cluster.own_access import local
from process import descriptors, log
from process.address import Address

CONTROL, APPLICATIONS, TRUST_DOMAIN = "jackstay", "test", "cluster.local"
ROUNDS = 3
PATIENCE = 300.0
"""Seconds for a wave, failures and new tries included."""


@dataclass(frozen=True, slots=True)
class Wave:
    """All proxies asked at the same moment; until the last one had its certificate."""

    what: str
    proxies: int
    seconds: float
    median_seconds: float
    """Until half of the proxies had theirs."""
    p99_seconds: float
    failures: int
    """Tries that failed; every one of them was followed by one that did not."""
    service_cpu: float
    api_cpu: float
    proxies_cpu: float
    service_memory: int
    """Bytes when the wave was over (PSS)."""


class Proxies:
    """All of them, and what they were told since the last wave began."""

    def __init__(self, sources: Sequence[RenewedCertificate]) -> None:
        self._sources = sources
        self._failures = 0
        self._times: list[float] = []
        self._began = 0.0
        self._all = asyncio.Event()

    async def follow(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for source in self._sources:
                tasks.create_task(source.follow(self._told))

    def begin(self) -> None:
        self._failures, self._times, self._began = 0, [], time.monotonic()
        self._all.clear()

    def renew(self) -> None:
        for source in self._sources:
            source.renew()

    async def done(self) -> tuple[Sequence[float], int]:
        """When each had its certificate, in order, and how many tries had failed. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            await self._all.wait()
        return self._times, self._failures

    def _told(self, generation: Generation | None) -> None:
        if generation is None:
            self._failures += 1
            return
        self._times.append(time.monotonic() - self._began)
        if len(self._times) == len(self._sources):
            self._all.set()


def measure(proxies: int, results: Path) -> int:
    """Measure, and write renewal.json and renewal.md into *results*. 1 if a try failed, else 0."""
    log.configure("json", "error")
    descriptors.raise_limit()
    waves = uvloop.run(_waves(proxies))
    machine = described(())
    results.mkdir(parents=True, exist_ok=True)
    document = {"machine": machine, "waves": [asdict(wave) for wave in waves]}
    (results / "renewal.json").write_text(json.dumps(document, indent=1) + "\n")
    markdown = to_markdown(waves, machine, f"python -m benchmarks renewal --proxies {proxies}")
    (results / "renewal.md").write_text(markdown)
    print(markdown)
    return 1 if any(wave.failures for wave in waves) else 0


async def _waves(count: int) -> list[Wave]:
    directory = Path(tempfile.mkdtemp(prefix="jackstay-renewal-"))
    try:
        with _api_server(directory) as api, _service(directory) as (service, address):
            async with Cluster(local(directory / "kubeconfig", None)) as cluster:
                await _accounts(cluster, directory, count)
            sources = [_proxy(directory, address, number) for number in range(count)]
            return [wave async for wave in _measured(Proxies(sources), service, api, count)]
    finally:
        shutil.rmtree(directory)


async def _measured(proxies: Proxies, service: int, api: int, count: int) -> AsyncIterator[Wave]:
    async with _following(proxies):
        for number in range(1 + ROUNDS):
            before = cpu_seconds(service), cpu_seconds(api), time.process_time()
            if number:
                proxies.begin()
                proxies.renew()
            times, failures = await proxies.done()
            yield Wave(
                f"renewal {number}" if number else "first certificates",
                count,
                times[-1],
                median(times),
                percentile(times, 0.99),
                failures,
                cpu_seconds(service) - before[0],
                cpu_seconds(api) - before[1],
                time.process_time() - before[2],
                memory(service),
            )


@asynccontextmanager
async def _following(proxies: Proxies) -> AsyncIterator[None]:
    proxies.begin()
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(proxies.follow())
        yield
        following.cancel()


# What it is measured with.


@contextmanager
def _api_server(directory: Path) -> Iterator[int]:
    host = own_host()
    port = free_port(host)
    argv = [
        *(sys.executable, "-m", "cli", "local-cluster", "--name", "local", "--listen", f"{host}:{port}"),
        *("--service-range", "127.96.0.0/16", "--kubeconfig", str(directory / "kubeconfig")),
    ]
    with running(argv, directory / "api.log", listens=[(host, port)]) as pid:
        yield pid


@contextmanager
def _service(directory: Path) -> Iterator[tuple[int, Address]]:
    now = datetime.now(UTC)
    root = make_root("root.benchmark", now=now)
    issuer = make_issuer("issuer.benchmark", root, now=now, trust_domain=TRUST_DOMAIN)
    own, key = make_leaf(_identity(ACCOUNT, CONTROL), issuer, now=now)
    files = _written(directory, root, issuer, chain_pem(*own), key_pem(key))
    host = own_host()
    listen = Address(host, free_port(host))
    argv = [
        *(sys.executable, "-m", "cli", "identity", "--listen", str(listen), "--admin", f"{host}:9990"),
        *("--kubeconfig", str(directory / "kubeconfig"), *files),
    ]
    with running(argv, directory / "identity.log", listens=[(host, listen.port)]) as pid:
        yield pid, listen


def _written(directory: Path, root: Authority, issuer: Authority, leaf: bytes, key: bytes) -> Iterator[str]:
    """Files, as the options that name them."""
    for option, name, content in (
        ("--trust-anchors", "root.crt", root.pem),
        ("--issuer-certificate", "issuer.crt", issuer.pem),
        ("--issuer-key", "issuer.key", issuer.key_pem),
        ("--certificate", "identity.crt", leaf),
        ("--key", "identity.key", key),
    ):
        path = directory / name
        path.write_bytes(content)
        yield from (option, str(path))


async def _accounts(cluster: Cluster, directory: Path, count: int) -> None:
    """So many accounts, and a token of each in a file."""
    await cluster.create(NAMESPACE, _object(NAMESPACE.kind, {"name": APPLICATIONS}))
    at_once = asyncio.Semaphore(32)

    async def one(number: int) -> None:
        async with at_once:
            metadata = {"name": _name(number), "namespace": APPLICATIONS}
            await cluster.create(SERVICE_ACCOUNT, _object(SERVICE_ACCOUNT.kind, metadata))
            token = await cluster.create_token(
                APPLICATIONS, _name(number), audiences=[AUDIENCE], seconds=86400
            )
            (directory / f"{_name(number)}.token").write_text(token.token)

    made: list[Awaitable[None]] = [one(number) for number in range(count)]
    await asyncio.gather(*made)


def _object(kind: str, metadata: dict[str, str]) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata}


def _name(number: int) -> str:
    return f"proxy-{number}"


def _identity(account: str, namespace: str) -> Identity:
    return Identity(account, namespace, CONTROL, TRUST_DOMAIN)


def _proxy(directory: Path, service: Address, number: int) -> RenewedCertificate:
    return RenewedCertificate(
        service,
        directory / f"{_name(number)}.token",
        directory / "root.crt",
        control_namespace=CONTROL,
        trust_domain=TRUST_DOMAIN,
        alpn=("jackstay/1",),
    )


# What is written.


def to_markdown(waves: Sequence[Wave], machine: str, command: str) -> str:
    """A table of *waves*, a row each."""
    heads = (
        *("wave", "proxies", "seconds", "half had theirs", "p99", "tries that failed"),
        *("service: CPU a certificate", "service: CPU", "API server: CPU", "proxies: CPU", "service: memory"),
    )
    rows = [_cells(wave) for wave in waves]
    lines = [heads, ("---", *["--:"] * (len(heads) - 1)), *rows]
    return (
        f"`{command}`, on {machine}.\n\n"
        "All proxies ask at the same moment. They and the API server share the machine with the service; "
        "what the proxies compute is computed by one thread.\n\n"
        + "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    )


def _cells(wave: Wave) -> tuple[str, ...]:
    return (
        wave.what,
        f"{wave.proxies:,}",
        f"{wave.seconds:.2f} s",
        f"{wave.median_seconds:.2f} s",
        f"{wave.p99_seconds:.2f} s",
        str(wave.failures),
        f"{wave.service_cpu / wave.proxies * 1000:.2f} ms",
        f"{wave.service_cpu:.2f} s",
        f"{wave.api_cpu:.2f} s",
        f"{wave.proxies_cpu:.2f} s",
        f"{wave.service_memory / 2**20:.0f} MiB",
    )
