"""
The leaf, the issuer and the trust anchor replaced while both ends run, each under load: nothing may fail.

    python -m benchmarks rotation [--seconds N] [--spread N]

The load is ours, which looks at every byte: new connections all the time, and one stream whose bytes go both
ways and are hashed at both; besides, wrk where it is on the PATH. A step is done when both ends say, in their
metrics, that they use what was given to them.
"""

import hashlib
import json
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import load
from benchmarks.backend import receive_exactly
from benchmarks.machine import described
from benchmarks.makers import REPORT, WRK, wrk_argv, wrk_outcome
from benchmarks.ours import both_ends
from benchmarks.payload import ECHO, pattern
from benchmarks.programs import until
from benchmarks.site import Leaf, Place, Site, Way, address, site
from certs import anchors
from certs.authority import Authority, chain_pem, make_issuer, make_leaf, make_root
from certs.credentials import key_pem
from certs.identity import Identity
from certs.trust_bundle import TrustBundle
from cli.rotation import said
from cli.rotation.seen import Held
from process.files import write_atomically

BLOCK = 64 * 1024
AT_ONCE = 8
"""New connections of ours at a time; as many of wrk's."""
BATCH = 200
"""New connections between two looks at whether it is over."""
WRK_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Rotated:
    """One thing that was replaced under load."""

    what: str
    connections: int
    failed: int
    """Connections that did not come about, or whose answer was not what it should be."""
    requests: int | None
    """By wrk, each on a connection of its own; None without wrk."""
    wrong_requests: int | None
    streamed: int
    """Bytes of the stream, each way."""
    lost: int
    """Bytes that did not come back, or all of them if one was wrong."""
    tunnels: int
    """Made in the meantime."""
    seconds: float
    steps: dict[str, float] = field(default_factory=dict)
    """Seconds until both ends used what was given to them."""

    @property
    def wrong(self) -> int:
        return self.failed + (self.wrong_requests or 0) + self.lost


class Under:
    """The load of one rotation; what it did is known when its block has been left."""

    def __init__(self, way: Way, script: str) -> None:
        self._way = way
        self._script = script
        self._over = threading.Event()
        self.connections = self.failed = self.streamed = self.lost = 0
        self.requests: int | None = None
        self.wrong_requests: int | None = None

    @contextmanager
    def block(self) -> Iterator[None]:
        with ThreadPoolExecutor(3) as threads:
            running: list[Future[None]] = [threads.submit(self._connect), threads.submit(self._stream)]
            if WRK.here:
                running.append(threads.submit(self._wrk))
            try:
                yield
            finally:
                self._over.set()
            for one in running:
                one.result()

    def _connect(self) -> None:
        while not self._over.is_set():
            done = load.new_connections(self._way.entrance, BATCH, at_once=AT_ONCE)
            self.connections += done.right
            self.failed += done.wrong

    def _stream(self) -> None:
        sent, heard = hashlib.sha256(), hashlib.sha256()
        try:
            with load.connect(self._way.entrance) as sock:
                block = ECHO + pattern(1, BLOCK - 1)
                while not self._over.is_set():
                    sock.sendall(block)
                    sent.update(block)
                    self.lost += len(block)
                    back = receive_exactly(sock, len(block))
                    heard.update(back)
                    self.lost -= len(back)
                    self.streamed += len(back)
                    block = pattern(self.streamed, BLOCK)
        except (OSError, EOFError) as error:
            print(f"  the stream broke after {self.streamed} bytes: {error!r}")
            self.lost = max(self.lost, 1)
        if not self.lost and sent.digest() != heard.digest():
            self.lost = self.streamed

    def _wrk(self) -> None:
        self.requests = self.wrong_requests = 0
        argv = wrk_argv(self._way.entrance, WRK_SECONDS, AT_ONCE, self._script, close=True)
        while not self._over.is_set():
            said = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
            done = wrk_outcome(said.stdout)
            self.requests += done.right
            self.wrong_requests += done.wrong


@dataclass(slots=True)
class Rotating:
    """Both ends with files that can be replaced, and how long it took them to take each over."""

    here: Site
    way: Way
    steps: dict[str, float] = field(default_factory=dict)

    def leaves(self, step: str, issuer: Authority) -> None:
        """New leaves for both ends, under *issuer*."""
        made = {leaf.identity: write_leaf(leaf, issuer) for leaf in (self.here.gateway, self.here.client)}
        under = {identity: leaf_ends.timestamp() for identity, leaf_ends in made.items()}
        self._until(step, lambda held: _ends(held) == under[next(iter(held.identities))])

    def trust(self, step: str, bundle: TrustBundle) -> None:
        write_atomically(self.here.anchors, bundle.pem, overwrite=True)
        self._until(step, lambda held: held.bundles == {bundle.digest})

    def _until(self, step: str, condition: Callable[[Held], bool]) -> None:
        began = time.monotonic()
        until(lambda: all(condition(held(place)) for place in self.way.admin), lambda: step)
        self.steps[step] = time.monotonic() - began


def held(place: Place) -> Held:
    """What the process whose admin port this is uses now."""
    with urllib.request.urlopen(f"http://{address(place)}/metrics", timeout=10) as answer:
        return said.held(answer.read().decode())


def _ends(of: Held) -> float:
    return of.leaf_ends.timestamp() if of.leaf_ends else 0.0


def write_leaf(leaf: Leaf, issuer: Authority) -> datetime:
    """A new certificate and key in the files of *leaf*; when it ends."""
    now = datetime.now(UTC)
    chain, key = make_leaf(Identity.parse(leaf.identity), issuer, now=now)
    write_atomically(leaf.key, key_pem(key), overwrite=True)
    write_atomically(leaf.certificate, chain_pem(*chain), overwrite=True)
    return chain[0].not_valid_after_utc


def the_leaf(rotating: Rotating, root: Authority, issuer: Authority) -> None:
    rotating.leaves("new leaves", issuer)


def the_issuer(rotating: Rotating, root: Authority, issuer: Authority) -> None:
    rotating.leaves("leaves of the new issuer", make_issuer("new issuer", root, now=datetime.now(UTC)))


def the_anchor(rotating: Rotating, root: Authority, issuer: Authority) -> None:
    """As `jackstay certs rotate` walks: both anchors, leaves under the new one, the new one alone."""
    now = datetime.now(UTC)
    new = make_root("new root", now=now)
    rotating.trust("both anchors", anchors.of((root.certificate, new.certificate)))
    rotating.leaves("leaves under the new anchor", make_issuer("new issuer", new, now=now))
    rotating.trust("the new anchor alone", anchors.of((new.certificate,)))


REPLACED = {"leaf": the_leaf, "issuer": the_issuer, "trust anchor": the_anchor}


def measured(what: str, here: Site, *, seconds: float, spread: float) -> Rotated:
    """*what* replaced under load, which goes on for *seconds* before, and after the tunnels are others."""
    now = datetime.now(UTC)
    root = make_root("root", now=now)
    issuer = make_issuer("issuer", root, now=now)
    for leaf in (here.gateway, here.client):
        write_leaf(leaf, issuer)
    write_atomically(here.anchors, root.pem, overwrite=True)
    with both_ends(here, "--rotation-spread", f"{spread:g}") as way:
        assert way.tunnels is not None
        under = Under(way, str(here.file("wrk.lua", REPORT)))
        rotating = Rotating(here, way)
        began, tunnels = time.monotonic(), way.tunnels()
        with under.block():
            time.sleep(seconds)
            REPLACED[what](rotating, root, issuer)
            time.sleep(spread + seconds)
        return Rotated(
            what, under.connections, under.failed, under.requests, under.wrong_requests, under.streamed,
            under.lost, way.tunnels() - tunnels, time.monotonic() - began, rotating.steps,
        )  # fmt: skip


def run(results: Path, *, seconds: float, spread: float) -> int:
    """Measure all, and write JSON and Markdown; 1 if anything was wrong, else 0."""
    found = []
    with tempfile.TemporaryDirectory(prefix="jackstay-rotation-") as directory, site(Path(directory)) as here:
        for what in REPLACED:
            print(f"replacing the {what} under load")
            own = Path(directory) / what.replace(" ", "-")
            own.mkdir()
            found.append(measured(what, _moved(here, own), seconds=seconds, spread=spread))
    machine = described(())
    results.mkdir(parents=True, exist_ok=True)
    as_json = {"machine": machine, "spread": spread, "rotations": [asdict(one) for one in found]}
    (results / "rotation.json").write_text(json.dumps(as_json, indent=2) + "\n")
    markdown = to_markdown(found, machine, spread)
    (results / "rotation.md").write_text(markdown)
    print(f"\n{markdown}")
    return 1 if any(one.wrong or not one.connections or not one.streamed for one in found) else 0


def _moved(here: Site, directory: Path) -> Site:
    """*here* with files of its own."""

    def leaf(one: Leaf) -> Leaf:
        return replace(one, certificate=directory / one.certificate.name, key=directory / one.key.name)

    return replace(
        here,
        directory=directory,
        anchors=directory / "root.crt",
        gateway=leaf(here.gateway),
        client=leaf(here.client),
    )


_COLUMNS = (
    "replaced under load",
    "connections",
    "failed",
    "requests by wrk",
    "wrong",
    "stream, each way",
    "bytes lost or wrong",
    "tunnels made",
    "taken over after",
)


def to_markdown(found: Sequence[Rotated], machine: str, spread: float) -> str:
    """A row for each thing that was replaced."""
    how = f"{machine}. `python -m benchmarks rotation`; tunnels are replaced over {spread:g} s."
    lines = ["# A leaf, an issuer and a trust anchor replaced under load", "", how, "", _line(_COLUMNS)]
    lines += ["|---|" + "--:|" * (len(_COLUMNS) - 2) + "---|", *(_line(_cells(one)) for one in found), ""]
    return "\n".join(lines)


def _cells(one: Rotated) -> list[str]:
    wrk = ["-", "-"] if one.requests is None else [f"{one.requests:,}", f"{one.wrong_requests:,}"]
    return [
        *(one.what, f"{one.connections:,}", f"{one.failed:,}", *wrk),
        *(f"{one.streamed / 1e6:,.0f} MB", f"{one.lost:,}", f"{one.tunnels:,}"),
        ", ".join(f"{step} {seconds:.1f} s" for step, seconds in one.steps.items()),
    ]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
