"""Two API servers for the mirror's benchmark: our small one, or kube-apiserver with etcd, as processes."""

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.programs import free_port, own_host, running, until
from cluster.access import Access
from cluster.kubeconfig import render, strict

Server = Literal["local", "real"]

HOW_TO_GET_THEM = (
    "KUBEBUILDER_ASSETS must name a directory with etcd and kube-apiserver "
    "(`setup-envtest use -p path` downloads one and prints it)"
)


class NoBinaries(Exception):
    """There is no real API server here; the message says how to get one."""


@dataclass(frozen=True, slots=True)
class Site:
    """One cluster: how to reach it as its administrator, and its server's process."""

    kubeconfig: Path
    access: Access
    pid: int


@contextmanager
def two(server: Server, directory: Path) -> Iterator[tuple[Site, Site]]:
    """East and west, empty, for as long as the block lasts. Raises NoBinaries."""
    start = _small if server == "local" else _real
    with ExitStack() as running_ones:
        east, west = (running_ones.enter_context(start(name, directory)) for name in ("east", "west"))
        yield east, west


@contextmanager
def _small(name: str, directory: Path) -> Iterator[Site]:
    host, kubeconfig = own_host(), directory / f"{name}.kubeconfig"
    port = free_port(host)
    argv = [
        *(sys.executable, "-m", "cli", "local-cluster", "--name", name, "--listen", f"{host}:{port}"),
        *("--service-range", "127.96.0.0/12", "--kubeconfig", str(kubeconfig), "--allow-loopback"),
    ]
    with running(argv, directory / f"{name}.log", listens=[(host, port)]) as pid:
        until(kubeconfig.exists, lambda: f"{kubeconfig}")  # it is written once the server listens
        yield Site(kubeconfig, strict(kubeconfig.read_bytes(), allow_loopback=True), pid)


def binaries() -> Path:
    """Where etcd and kube-apiserver are. Raises NoBinaries."""
    directory = Path(os.environ.get("KUBEBUILDER_ASSETS", ""))
    if not all((directory / name).is_file() for name in ("etcd", "kube-apiserver")):
        raise NoBinaries(HOW_TO_GET_THEM)
    return directory


@contextmanager
def _real(name: str, directory: Path) -> Iterator[Site]:
    programs, home, host = binaries(), directory / name, own_host()
    home.mkdir()
    token = secrets.token_hex(16)
    _write_files(home, token)
    etcd = [
        str(programs / "etcd"),
        f"--data-dir={home / 'etcd'}",
        f"--listen-client-urls=http://{host}:2379",
        f"--advertise-client-urls=http://{host}:2379",
        f"--listen-peer-urls=http://{host}:2380",
        f"--initial-advertise-peer-urls=http://{host}:2380",
        f"--initial-cluster=default=http://{host}:2380",
        "--unsafe-no-fsync",
    ]
    server = [
        str(programs / "kube-apiserver"),
        f"--etcd-servers=http://{host}:2379",
        f"--bind-address={host}",
        "--advertise-address=10.255.255.1",
        "--secure-port=6443",
        f"--cert-dir={home}",
        "--service-cluster-ip-range=10.96.0.0/12",
        "--authorization-mode=AlwaysAllow",
        f"--token-auth-file={home / 'tokens.csv'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={home / 'sa.pub'}",
        f"--service-account-signing-key-file={home / 'sa.key'}",
        "--disable-admission-plugins=ServiceAccount",
    ]
    with (
        running(etcd, home / "etcd.log", listens=[(host, 2379)]),
        running(server, home / "server.log", listens=[(host, 6443)]) as pid,
    ):
        url, ca = f"https://{host}:6443", (home / "apiserver.crt").read_bytes()
        kubeconfig = home / "kubeconfig"
        kubeconfig.write_bytes(render(url, ca, token, user="admin", cluster=name))
        yield Site(kubeconfig, strict(kubeconfig.read_bytes(), allow_loopback=True), pid)


def _write_files(home: Path, token: str) -> None:
    (home / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
    key = ec.generate_private_key(ec.SECP256R1())
    (home / "sa.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    (home / "sa.pub").write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
