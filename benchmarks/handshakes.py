"""
Handshakes at our gateway by kind of key and length of chain: how many a second, and how much CPU each.

    python -m benchmarks handshakes [--seconds N]

Both ends show a chain of the same kind and length, authorities and leaves with keys of that kind. Nothing is
resumed. A client that comes again and again is known by its chain after the first time, so that OpenSSL alone
goes over it; newcomers show a chain each that nobody has seen, and all three layers of verification do. The
gateway is a process of one worker, the clients are another.
"""

import json
import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.accounting import cpu_seconds
from benchmarks.handshake_maker import AT_ONCE, Clients, Made, Maker, maker
from benchmarks.key_kinds import KINDS, Kind, of_kind
from benchmarks.machine import described
from benchmarks.ours import gateway_end, refusals
from benchmarks.site import Place, Site, site

WARM = 0.2
"""The part of a row's time that goes before it: threads start, and the client becomes known."""
_AFTERWARDS = 0.15
"""Seconds in which the gateway is done with the last connections."""


@dataclass(frozen=True, slots=True)
class Row:
    """Handshakes of one kind."""

    key: str
    issuers: int
    newcomers: bool
    """Whether each chain is shown once only."""
    chain_bytes: int
    gateway_us: float
    """Microseconds of CPU of the gateway's process tree for each handshake."""
    clients_us: float
    """The same of the clients' process, which shares the machine."""
    per_second: float
    done: int
    wrong: int
    failure: str
    """The first of what went wrong."""
    refused: dict[str, int]
    """What the gateway has refused meanwhile, by reason; `limit` is a handshake that waited too long."""


def measure(results: Path, *, seconds: float) -> int:
    """All rows, *seconds* each, and handshakes.json and .md of them in *results*; 1 if one failed, else 0."""
    rows = list(measured(KINDS, seconds))
    machine = described(())
    results.mkdir(parents=True, exist_ok=True)
    document = {"machine": machine, "seconds": seconds, "rows": [asdict(row) for row in rows]}
    (results / "handshakes.json").write_text(json.dumps(document, indent=1) + "\n")
    markdown = to_markdown(rows, machine, seconds)
    (results / "handshakes.md").write_text(markdown)
    print(f"\n{markdown}")
    for row in rows:
        if row.wrong:
            print(f"{_named(row)}: {row.wrong} failed, the first by {row.failure}; refused: {row.refused}")
    return 1 if any(row.wrong or not row.done for row in rows) else 0


def measured(kinds: Sequence[Kind], seconds: float) -> Iterator[Row]:
    """Two rows for each of *kinds*: a client that is known, and newcomers."""
    with (
        tempfile.TemporaryDirectory(prefix="jackstay-handshakes-") as directory,
        site(Path(directory)) as here,
        maker() as clients,
    ):
        for kind in kinds:
            print(f"handshakes: {kind}")
            yield from _of_kind(here, clients, kind, seconds)


def _of_kind(here: Site, clients: Maker, kind: Kind, seconds: float) -> Iterator[Row]:
    chains = of_kind(here, kind)
    there = chains.site
    place, admin = there.places(2)

    def row(meter: Metered, *, newcomers: bool) -> Row:
        made = meter.made
        each = 1e6 / max(1, made.right)
        return Row(
            kind.key, kind.issuers, newcomers, chains.chain_bytes, meter.cpu * each, made.cpu * each,
            made.right / made.seconds, made.right, made.wrong, made.failure, meter.refused,
        )  # fmt: skip

    with gateway_end(there, place, admin) as gateway:
        clients.prepare(Clients([there.client], there.anchors, place, there.gateway.identity))
        clients.make(WARM * seconds)
        known = _metered(clients, gateway, admin, seconds)
        yield row(known, newcomers=False)
        # Never faster than who is known, so that the chains last.
        enough = max(AT_ONCE, math.ceil(1.2 * seconds * known.made.right / known.made.seconds))
        unseen = chains.newcomers(enough)
        clients.prepare(Clients(unseen, there.anchors, place, there.gateway.identity))
        yield row(_metered(clients, gateway, admin, seconds, most=enough), newcomers=True)


@dataclass(frozen=True, slots=True)
class Metered:
    """What the clients did, what it cost the gateway in seconds, and whom that refused, by reason."""

    made: Made
    cpu: float
    refused: dict[str, int]


def _metered(
    clients: Maker, gateway: int, admin: Place, seconds: float, *, most: int | None = None
) -> Metered:
    refused, cpu = refusals(admin), cpu_seconds(gateway)
    made = clients.make(seconds, most=most)
    time.sleep(_AFTERWARDS)
    cpu = cpu_seconds(gateway) - cpu
    since = {reason: count - refused.get(reason, 0) for reason, count in refusals(admin).items()}
    return Metered(made, cpu, {reason: count for reason, count in since.items() if count})


# What is written.

_HEADS = (
    *("keys", "issuers", "clients", "chain", "gateway's CPU", "handshakes a second", "CPU by P-256's"),
    *("clients' CPU", "failed"),
)


def to_markdown(rows: Sequence[Row], machine: str, seconds: float) -> str:
    """A row each; the ratio is by the CPU of the same clients with P-256 and one issuer."""
    lines = [_HEADS, ("---", *["--:"] * (len(_HEADS) - 1)), *(_cells(row, _base(row, rows)) for row in rows)]
    return (
        "# Handshakes at our gateway by kind of key and length of chain\n\n"
        f"`python -m benchmarks handshakes --seconds {seconds:g}`, on {machine}.\n\n"
        f"Mutual TLS 1.3 in full, {AT_ONCE} at a time, and a PING and its PONG, which says that the client "
        "is in. Both ends show chains of the same kind. `known`: one client, whose chain the gateway has "
        "verified before; `new`: nobody has seen the chain. CPU is of the gateway's processes, one worker. "
        "The clients are on the same machine: where their CPU exceeds the gateway's, the rate is theirs.\n\n"
        + "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    )


def _base(row: Row, rows: Sequence[Row]) -> float | None:
    found = (one for one in rows if (one.key, one.issuers, one.newcomers) == ("P-256", 1, row.newcomers))
    return next((one.gateway_us for one in found if one.done), None)


def _cells(row: Row, base: float | None) -> tuple[str, ...]:
    return (
        row.key,
        str(row.issuers),
        "new" if row.newcomers else "known",
        f"{row.chain_bytes:,} B",
        f"{row.gateway_us:,.0f} µs",
        f"{row.per_second:,.0f}",
        "-" if base is None else f"{row.gateway_us / base:.2f}",
        f"{row.clients_us:,.0f} µs",
        str(row.wrong),
    )


def _named(row: Row) -> str:
    return f"{row.key}, {row.issuers} above, {'newcomers' if row.newcomers else 'known'}"
