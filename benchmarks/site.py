"""
What all configurations share: certificates, the backend, and where files go.

A `Way` is what is measured: an entrance for applications, and behind it a client's end, a gateway's
end and the backend. A `Door` is the gateway's end by itself, for clients that bring their own TLS.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.programs import free_port, free_ports, own_host, running
from certs.authority import chain_pem, make_issuer, make_leaf, make_root
from certs.credentials import key_pem
from certs.identity import Identity

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One end's certificate with its chain, and its key."""

    identity: str
    certificate: Path
    key: Path
    both: Path
    """Certificate, chain and key in one file, as HAProxy wants them."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a configuration is set up."""

    directory: Path
    host: str
    backend: Place
    gateway: Leaf
    client: Leaf
    anchors: Path
    """The gateway's end's, and the client's if it has none of its own."""
    client_anchors: Path | None = None
    newcomers: Sequence[Leaf] = ()
    """Clients whose certificates nobody has seen yet."""
    delay: float = 0.0
    """Seconds that a byte takes between the two ends, one way."""
    workers: int = 1
    """How many serve at the gateway's end."""
    reuse: bool = True
    """Whether what one connection has cost serves the next: a tunnel, or a TLS session."""

    def place(self) -> Place:
        """Somewhere to listen."""
        return self.host, free_port(self.host)

    def places(self, count: int) -> list[Place]:
        """So many of them, no two the same."""
        return [(self.host, port) for port in free_ports(self.host, count)]

    def file(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text)
        return path


Unwrap = Callable[[memoryview], Iterable[memoryview]]
"""Takes what has come through a door, gives the payload in it."""


def bare() -> Unwrap:
    """Nothing is around the payload."""
    return lambda data: (data,)


@dataclass(frozen=True, slots=True)
class Door:
    """The gateway's own port: mutual TLS."""

    place: Place
    alpn: tuple[str, ...] = ()
    opening: bytes = b""
    """What a client says before its first message."""
    wrap: Callable[[bytes], bytes] = bytes
    """What carries a message through this door. A module's function: it goes to another process."""
    unwrap: Callable[[], Unwrap] = bare
    """The opposite of that, for one connection."""
    last: bytes = b""
    """What ends both the client's messages and the answer, if not the end of the connection."""


@dataclass(frozen=True, slots=True)
class Way:
    """A whole way to the backend that is ready for use."""

    name: str
    entrance: Place
    gateway: int | None = None
    """The process at the gateway's end, with its descendants; None where there is none."""
    client: int | None = None
    door: Door | None = None
    tunnels: Callable[[], int] | None = None
    """How many tunnels were opened so far, where there are tunnels."""
    admin: tuple[Place, ...] = ()
    """Where both ends show their metrics: the gateway's first. Ours alone."""


@dataclass(frozen=True, slots=True)
class Contender:
    """Who takes part: a name and how to set it up; for peers also what must be installed."""

    name: str
    start: Callable[[Site], AbstractContextManager[Way]]
    program: str = sys.executable
    package: str = ""
    """The Debian packages that bring the program; nothing if there are none, and it is not missed."""
    version: Callable[[], str] = lambda: ""
    whole: Callable[[], bool] = lambda: True
    """Whether the program, where it is, can do what is asked of it."""


@contextmanager
def site(directory: Path, *, newcomers: int = 0) -> Iterator[Site]:
    """New certificates in *directory*, *newcomers* among them, and a backend that runs within the block."""
    host = own_host()
    backend = host, free_port(host)
    argv = [sys.executable, "-m", "benchmarks.backend", address(backend)]
    with running(argv, directory / "backend.log", listens=[backend]):
        yield _with_certificates(directory, host, backend, newcomers)


def address(place: Place) -> str:
    return f"{place[0]}:{place[1]}"


def _with_certificates(directory: Path, host: str, backend: Place, count: int) -> Site:
    now = datetime.now(UTC)
    root = make_root("root.jackstay.benchmarks", now=now)
    issuer = make_issuer("identity.jackstay.benchmarks", root, now=now)

    def leaf(account: str, namespace: str) -> Leaf:
        identity = Identity(account, namespace, "jackstay", "cluster.local")
        chain, key = make_leaf(identity, issuer, now=now)
        stem = directory / account
        files = Leaf(
            identity.dns_name, stem.with_suffix(".crt"), stem.with_suffix(".key"), stem.with_suffix(".pem")
        )
        files.certificate.write_bytes(chain_pem(*chain))
        files.key.write_bytes(key_pem(key))
        files.both.write_bytes(chain_pem(*chain) + key_pem(key))
        return files

    anchors = directory / "root.crt"
    anchors.write_bytes(root.pem)
    newcomers = [leaf(f"newcomer-{number}", "test") for number in range(count)]
    gateway, client = leaf("jackstay-gateway", "jackstay"), leaf("web", "test")
    return Site(directory, host, backend, gateway, client, anchors, newcomers=newcomers)
