"""
The leaf, the issuer and the trust anchor replaced while both ends run, each under load: nothing may fail.

    python -m benchmarks rotation [--seconds N] [--spread N]

The load is in `rotation_load`. A step is done when both ends say, in their metrics, that they use what was
given to them. If one request failed, one byte was lost or one connection cut, the command ends with 1.
"""

import json
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

from benchmarks.machine import described
from benchmarks.makers import REPORT
from benchmarks.ours import both_ends
from benchmarks.programs import until
from benchmarks.rotation_load import Carried, Counted, loaded
from benchmarks.site import Leaf, Place, Site, Way, address, site
from certs import anchors
from certs.authority import Authority, chain_pem, make_issuer, make_leaf, make_root
from certs.credentials import key_pem
from certs.identity import Identity
from certs.trust_bundle import TrustBundle
from cli.rotation import said
from cli.rotation.seen import Held
from process.files import write_atomically

End = Literal["gateway", "outbound"]
END: tuple[End, End] = ("gateway", "outbound")


@dataclass(frozen=True, slots=True)
class Rotated:
    """One thing that was replaced under load."""

    what: str
    carried: Carried
    tunnels: int
    """Made in the meantime."""
    seconds: float
    steps: dict[str, float] = field(default_factory=dict)
    """Seconds until both ends used what was given to them, by their metrics."""


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

    def trust(self, step: str, bundle: TrustBundle, first: End) -> None:
        """
        *bundle* for one end, and for the other once that one uses it: in a cluster nobody can give it to
        all at the same moment, and the one who is late is seen by the other.
        """
        ends = dict(zip(END, zip(self._anchors(), self.way.admin, strict=True), strict=True))
        for end in (first, *(end for end in END if end != first)):
            path, admin = ends[end]
            write_atomically(path, bundle.pem, overwrite=True)
            self._until(f"{step}, {end}", lambda held: held.bundles == {bundle.digest}, admin)

    def _anchors(self) -> tuple[Path, Path]:
        assert self.here.client_anchors is not None
        return self.here.anchors, self.here.client_anchors

    def _until(self, step: str, condition: Callable[[Held], bool], *places: Place) -> None:
        began = time.monotonic()
        until(lambda: all(condition(held(place)) for place in places or self.way.admin), lambda: step)
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


def the_anchor(rotating: Rotating, root: Authority, issuer: Authority, *, first: End) -> None:
    """As `jackstay certs rotate` walks: both anchors, leaves under the new one, the new one alone."""
    now = datetime.now(UTC)
    new = make_root("new root", now=now)
    rotating.trust("both anchors", anchors.of((root.certificate, new.certificate)), first)
    rotating.leaves("leaves under the new anchor", make_issuer("new issuer", new, now=now))
    rotating.trust("the new anchor alone", anchors.of((new.certificate,)), first)


REPLACED: dict[str, Callable[[Rotating, Authority, Authority], None]] = {
    "leaf": the_leaf,
    "issuer": the_issuer,
    "trust anchor, at the gateway first": partial(the_anchor, first="gateway"),
    "trust anchor, at the outbound proxy first": partial(the_anchor, first="outbound"),
}


def measured(what: str, here: Site, *, seconds: float, spread: float) -> Rotated:
    """*what* replaced under load, which goes on for *seconds* before, and after the tunnels are others."""
    now = datetime.now(UTC)
    root = make_root("root", now=now)
    issuer = make_issuer("issuer", root, now=now)
    for leaf in (here.gateway, here.client):
        write_leaf(leaf, issuer)
    assert here.client_anchors is not None
    for path in (here.anchors, here.client_anchors):
        write_atomically(path, root.pem, overwrite=True)
    with both_ends(here, "--rotation-spread", f"{spread:g}") as way:
        assert way.tunnels is not None
        script = str(here.file("wrk.lua", REPORT))
        rotating = Rotating(here, way)
        began, tunnels = time.monotonic(), way.tunnels()
        with loaded(way.entrance, script) as carried:
            until(lambda: carried.under_way or bool(carried.said), lambda: "all of the load to be under way")
            time.sleep(seconds)
            REPLACED[what](rotating, root, issuer)
            time.sleep(spread + seconds)
        found = Rotated(what, carried, way.tunnels() - tunnels, time.monotonic() - began, rotating.steps)
    if carried.wrong:
        for line in (*carried.said, *_warnings(here)):
            print(f"  {line}")
    return found


def _warnings(here: Site) -> Iterator[str]:
    """What each end complains of: how often, and the last line that does."""
    for name in ("gateway.log", "outbound.log"):
        lines: dict[tuple[object, object], list[str]] = {}
        for line in (here.directory / name).read_text().splitlines():
            if line.startswith("{") and (entry := json.loads(line))["level"] != "info":
                lines.setdefault((entry["event"], entry.get("reason")), []).append(line)
        yield from (f"{name}, {len(alike)} times: {alike[-1]}" for alike in lines.values())


def run(results: Path, *, seconds: float, spread: float) -> int:
    """Measure all, and write JSON and Markdown; 1 if anything was wrong, else 0."""
    found = []
    with tempfile.TemporaryDirectory(prefix="jackstay-rotation-") as directory, site(Path(directory)) as here:
        for what in REPLACED:
            print(f"replacing the {what} under load")
            own = Path(directory) / what.replace(",", "").replace(" ", "-")
            own.mkdir()
            found.append(measured(what, _moved(here, own), seconds=seconds, spread=spread))
    machine = described(())
    results.mkdir(parents=True, exist_ok=True)
    as_json = {"machine": machine, "spread": spread, "rotations": [asdict(one) for one in found]}
    (results / "rotation.json").write_text(json.dumps(as_json, indent=2) + "\n")
    markdown = to_markdown(found, machine, spread)
    (results / "rotation.md").write_text(markdown)
    print(f"\n{markdown}")
    return 1 if any(one.carried.wrong or one.carried.idle for one in found) else 0


def _moved(here: Site, directory: Path) -> Site:
    """*here* with files of its own."""

    def leaf(one: Leaf) -> Leaf:
        return replace(one, certificate=directory / one.certificate.name, key=directory / one.key.name)

    return replace(
        here,
        directory=directory,
        anchors=directory / "gateway-anchors.crt",
        client_anchors=directory / "outbound-anchors.crt",
        gateway=leaf(here.gateway),
        client=leaf(here.client),
    )


_COLUMNS = (
    *("replaced under load", "requests", "failed", "connections cut"),
    *("stream: sent", "back", "lost", "wrong"),
    *("new connections", "kept open", "wrk, new", "wrk, kept open"),
    *("tunnels made", "both ends use it after"),
)


def to_markdown(found: Sequence[Rotated], machine: str, spread: float) -> str:
    """A row for each thing that was replaced."""
    how = f"`python -m benchmarks rotation`, on {machine}; tunnels are replaced over {spread:g} s."
    lines = ["# A leaf, an issuer and a trust anchor replaced under load", "", how, "", _line(_COLUMNS)]
    lines += ["|---|" + "--:|" * (len(_COLUMNS) - 2) + "---|", *(_line(_cells(one)) for one in found), ""]
    return "\n".join(lines)


def _cells(one: Rotated) -> list[str]:
    carried = one.carried
    stream = carried.stream
    return [
        *(one.what, f"{carried.requests:,}", f"{carried.failed:,}", f"{carried.cut:,}"),
        *(f"{stream.sent:,} B", f"{stream.received:,} B", f"{stream.lost:,}", f"{stream.wrong:,}"),
        *(_done(part) for part in (carried.new, carried.kept, carried.wrk_new, carried.wrk_kept)),
        f"{one.tunnels:,}",
        ", ".join(f"{step} {seconds:.1f} s" for step, seconds in one.steps.items()),
    ]


def _done(part: Counted | None) -> str:
    return "-" if part is None else f"{part.done:,}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
