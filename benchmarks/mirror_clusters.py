"""Two API servers for the mirror's benchmark: our small one, or kube-apiserver with etcd, as processes."""

import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks import envtest
from benchmarks.programs import free_port, own_host, running, until
from cluster.access import Access
from cluster.kubeconfig import render, strict

Server = Literal["local", "real"]


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
    if (found := envtest.assets()) is None:
        raise NoBinaries(envtest.HOW_TO_GET_THEM)
    return found


@contextmanager
def _real(name: str, directory: Path) -> Iterator[Site]:
    programs, home, host = binaries(), directory / name, own_host()
    home.mkdir()
    token = secrets.token_hex(16)
    envtest.write_files(home, token)
    etcd, server = envtest.etcd(programs, home, host), envtest.api_server(programs, home, host)
    with (
        running(etcd, home / "etcd.log", listens=[(host, envtest.ETCD_PORT)]),
        running(server, home / "server.log", listens=[(host, envtest.API_PORT)]) as pid,
    ):
        url, ca = f"https://{host}:{envtest.API_PORT}", (home / "apiserver.crt").read_bytes()
        kubeconfig = home / "kubeconfig"
        kubeconfig.write_bytes(render(url, ca, token, user="admin", cluster=name))
        yield Site(kubeconfig, strict(kubeconfig.read_bytes(), allow_loopback=True), pid)
