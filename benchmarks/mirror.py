"""
The mirror: how soon everything is mirrored, what that costs, and how soon a change is seen.

The controller is the process that users run, between two API servers: our small ones, or real ones with
etcd. All of it shares the machine: the API servers, the controller, and this process, which makes the
changes and watches for them.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import uvloop

from benchmarks.machine import described
from benchmarks.mirror_clusters import NoBinaries, Server, binaries
from benchmarks.mirror_many_links import of_many_links
from benchmarks.mirror_one_link import of_one_link
from benchmarks.mirror_stage import Row, Size, stage
from benchmarks.mirror_through_faults import of_faults
from process import descriptors, log


def measure(servers: Sequence[Server], size: Size, results: Path, command: str) -> int:
    """Measure, and write mirror.json and mirror.md into *results*. 1 if a mirror was wrong, else 0."""
    log.configure("json", "error")
    descriptors.raise_limit()
    if "real" in servers:
        try:
            binaries()
        except NoBinaries as missing:
            print(f"no rows of a real API server: {missing}")
            servers = [server for server in servers if server != "real"]
    rows = [row for server in servers for row in uvloop.run(_rows(server, size))]
    machine = described(())
    results.mkdir(parents=True, exist_ok=True)
    document = {"machine": machine, "rows": [asdict(row) for row in rows]}
    (results / "mirror.json").write_text(json.dumps(document, indent=1) + "\n")
    markdown = to_markdown(rows, machine, command)
    (results / "mirror.md").write_text(markdown)
    print(markdown)
    return 1 if any(row.wrong for row in rows) else 0


async def _rows(server: Server, size: Size) -> list[Row]:
    found: list[Row] = []
    for services in size.services:
        async with stage(server) as clusters:
            found += [row async for row in of_one_link(clusters, services, size)]
    async with stage(server) as clusters:
        found += [row async for row in of_many_links(clusters, size)]
    async with stage(server) as clusters:
        found += [row async for row in of_faults(clusters, size)]
    return found


def to_markdown(rows: Sequence[Row], machine: str, command: str) -> str:
    """A table of *rows*."""
    heads = ("server", "what", "services", "figures", "wrong")
    lines = [heads, ("---", "---", "--:", "---", "--:"), *map(_cells, rows)]
    return (
        f"`{command}`, on {machine}.\n\n"
        "API servers, controller and the one who measures share the machine. CPU and memory are the "
        "controller's; a change is seen when a watch of west shows it.\n\n"
        + "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    )


def _cells(row: Row) -> tuple[str, ...]:
    said = ", ".join(_said(name, value) for name, value in row.figures.items())
    return (row.server, row.what, f"{row.services:,}", said, str(row.wrong))


def _said(name: str, value: float) -> str:
    words = name.replace("_", " ")
    match name:
        case "p50" | "p99" | "most" | "settled_after":
            return f"{words} {value * 1000:.0f} ms"
        case "seconds" | "lasted" | "right_after":
            return f"{words} {value:.1f} s" if name != "seconds" else f"{value:.1f} s"
        case "cpu_seconds":
            return f"CPU {value:.1f} s"
        case "peak_memory":
            return f"{value / 2**20:.0f} MiB"
        case "writes_a_service":
            return f"{value:.2f} writes a service"
        case _:
            return f"{value:,.0f} {words}"
