"""
A real kube-apiserver with its etcd, as processes on a loopback address of their own.

For tests that hold our small API server to the real one. Where the binaries are is said by
KUBEBUILDER_ASSETS, as with envtest: a directory with `etcd` and `kube-apiserver`, which
`setup-envtest use -p path` downloads.
"""

import asyncio
import os
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cluster.access import Access
from cluster.client import Cluster
from cluster.errors import ClusterError
from cluster.local import tls

HOW_TO_GET_THEM = (
    "no real API server: KUBEBUILDER_ASSETS must name a directory with etcd and kube-apiserver "
    "(`setup-envtest use -p path` downloads one and prints it)"
)


def assets() -> Path | None:
    """The directory with both binaries, if there is one."""
    directory = Path(os.environ.get("KUBEBUILDER_ASSETS", ""))
    if all((directory / name).is_file() for name in ("etcd", "kube-apiserver")):
        return directory
    return None


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
    _write_files(directory, token)
    access = Access(f"https://{address}:6443", _write_serving(directory, name, address), token, name=name)
    with ExitStack() as processes:
        processes.enter_context(
            _running(
                directory / "etcd.log",
                str(binaries / "etcd"),
                f"--data-dir={directory / 'etcd'}",
                f"--listen-client-urls=http://{address}:2379",
                f"--advertise-client-urls=http://{address}:2379",
                f"--listen-peer-urls=http://{address}:2380",
                f"--initial-advertise-peer-urls=http://{address}:2380",
                f"--initial-cluster=default=http://{address}:2380",
                "--unsafe-no-fsync",
            )
        )
        server = processes.enter_context(
            _running(
                directory / "kube-apiserver.log",
                str(binaries / "kube-apiserver"),
                f"--etcd-servers=http://{address}:2379",
                f"--bind-address={address}",
                "--advertise-address=10.255.255.1",
                "--secure-port=6443",
                f"--tls-cert-file={directory / 'serving.crt'}",
                f"--tls-private-key-file={directory / 'serving.key'}",
                f"--cert-dir={directory}",
                "--service-cluster-ip-range=10.96.0.0/12",
                f"--authorization-mode={authorization}",
                f"--token-auth-file={directory / 'tokens.csv'}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={directory / 'sa.pub'}",
                f"--service-account-signing-key-file={directory / 'sa.key'}",
                "--disable-admission-plugins=ServiceAccount",
                *flags,
            )
        )
        yield RealApi(access, server)


def _write_files(directory: Path, token: str) -> None:
    (directory / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
    key = ec.generate_private_key(ec.SECP256R1())
    (directory / "sa.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    (directory / "sa.pub").write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


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
