"""
A real kube-apiserver with its etcd, as processes on a loopback address of their own.

For tests that hold our small API server to the real one. Where the binaries are is said by
KUBEBUILDER_ASSETS, as with envtest: a directory with `etcd` and `kube-apiserver`, which
`setup-envtest use -p path` downloads.
"""

import asyncio
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import envtest
from benchmarks.envtest import HOW_TO_GET_THEM, assets
from cluster.access import Access
from cluster.client import Cluster
from cluster.errors import ClusterError
from cluster.local import tls

__all__ = ["HOW_TO_GET_THEM", "RealApi", "assets", "real_api"]


@dataclass(frozen=True, slots=True)
class RealApi:
    """How to reach it, and the process."""

    access: Access
    server: subprocess.Popen[bytes]

    async def ready(self) -> None:
        """Return once it answers."""
        async with asyncio.timeout(90), Cluster(self.access) as cluster:
            while not await self._answers(cluster):  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.1)

    async def _answers(self, cluster: Cluster) -> bool:
        if self.server.poll() is not None:
            raise RuntimeError("kube-apiserver has ended; its log says why")
        try:
            return bool(await cluster.uid())
        except ClusterError:
            return False


@contextmanager
def real_api(
    binaries: Path,
    directory: Path,
    *,
    name: str = "real",
    authorization: str = "AlwaysAllow",
    flags: Sequence[str] = (),
) -> Iterator[RealApi]:
    """A new, empty API server that lives as long as the block. Not ready at once. It has *flags* besides."""
    a, b, c = (1 + secrets.randbelow(250) for _ in range(3))
    address = f"127.{a}.{b}.{c}"
    token = secrets.token_hex(16)
    envtest.write_files(directory, token)
    access = Access(f"https://{address}:6443", _write_serving(directory, name, address), token, name=name)
    serving = [f"--tls-cert-file={directory / 'serving.crt'}"]
    serving += [f"--tls-private-key-file={directory / 'serving.key'}"]
    etcd = envtest.etcd(binaries, directory, address)
    argv = envtest.api_server(
        binaries, directory, address, authorization=authorization, flags=(*serving, *flags)
    )
    with (
        _running(directory / "etcd.log", *etcd),
        _running(directory / "kube-apiserver.log", *argv) as server,
    ):
        yield RealApi(access, server)


def _write_serving(directory: Path, name: str, address: str) -> bytes:
    """What it shows of itself, at *address* and behind a relay; who vouches for it."""
    now = datetime.now(UTC)
    ca, key = tls.make_authority(name, now)
    for file, pem in zip(
        ("serving.crt", "serving.key"), tls.make_serving(ca, key, address, now), strict=True
    ):
        (directory / file).write_bytes(pem)
    return ca


@contextmanager
def _running(log: Path, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output, subprocess.Popen(argv, stdout=output, stderr=output) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
