"""
The mirror: how soon everything is mirrored, what that costs, and how soon a change is seen.

The controller is the process that users run, between two API servers: our small ones, or real ones with
etcd. All of it shares the machine: the API servers, the controller, and this process, which makes the
changes and watches for them.
"""

import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import uvloop

from benchmarks import mirror_load as load
from benchmarks.machine import described
from benchmarks.mirror_clusters import NoBinaries, Server, Site, binaries, two
from benchmarks.mirror_controller import Controller, controller
from benchmarks.mirror_faults import FAULTS, Faulty
from benchmarks.mirror_load import Shown, named, showing
from benchmarks.programs import own_host
from benchmarks.storm import percentile
from cluster.client import Cluster
from cluster.kinds import SERVICE
from cluster.kubeconfig import render
from cluster.metadata import Key
from process import descriptors, log

PATIENCE = 600.0
"""Seconds for a first sync."""

CHANGES_A_SECOND = 20.0
FLAPS_A_SECOND = 50.0
FLAPPING = 5
"""Services whose endpoints come and go."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done."""

    services: Sequence[int] = (1000, 10_000)
    changes: int = 400
    flaps: int = 1000
    steady: float = 60.0
    links: int = 50
    of_each: int = 20
    faulty_services: int = 200
    faulty: float = 5.0
    """Seconds that each fault lasts."""


QUICK = Size(
    services=(20,), changes=20, flaps=50, steady=1.0, links=4, of_each=3, faulty_services=10, faulty=0.5
)


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was measured."""

    server: Server
    what: str
    services: int
    figures: dict[str, float] = field(default_factory=dict)
    wrong: int = 0
    """Mirrors that were not as they ought to be in the end, or are other objects than before."""


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
        async with _stage(server) as stage:
            found += [row async for row in _of_one_link(stage, services, size)]
    async with _stage(server) as stage:
        found += [row async for row in _of_many_links(stage, size)]
    async with _stage(server) as stage:
        found += [row async for row in _of_faults(stage, size)]
    return found


@dataclass(slots=True)
class Stage:
    """Two clusters, and no controller yet."""

    server: Server
    directory: Path
    sites: tuple[Site, Site]
    east: Cluster
    west: Cluster

    @contextmanager
    def controller(self) -> Iterator[Controller]:
        with controller(self.sites[1], self.directory) as running:
            yield running

    async def right(self, names: Sequence[str], count: int) -> int:
        """How many of *names* have no mirror, or more are there than *count* in all."""
        there = {
            raw["metadata"]["name"] for raw in (await self.west.list(SERVICE, namespace=load.TEST)).items
        }
        return len(set(names) - there) + max(0, len(there) - count)


@asynccontextmanager
async def _stage(server: Server) -> AsyncIterator[Stage]:
    directory = Path(tempfile.mkdtemp(prefix="jackstay-mirror-"))
    try:
        with ExitStack() as running:
            east, west = running.enter_context(two(server, directory))
            async with Cluster(east.access) as of_east, Cluster(west.access) as of_west:
                await load.prepare(of_east, of_west)
                yield Stage(server, directory, (east, west), of_east, of_west)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _kubeconfig(site: Site) -> bytes:
    """As a Link has it."""
    access = site.access
    assert access.token is not None
    return render(access.server, access.ca_data, access.token, user="remote", cluster="east")


# One Link.


async def _of_one_link(stage: Stage, services: int, size: Size) -> AsyncIterator[Row]:
    await load.export(stage.east, range(services), lambda _: "east")
    await load.link(stage.west, "east", _kubeconfig(stage.sites[0]))
    with stage.controller() as running:
        seconds = await _synced(running, services)
        names = [f"{named(number)}-east" for number in range(services)]
        writes = await running.writes()
        yield Row(
            stage.server,
            "first sync",
            services,
            {
                "seconds": seconds,
                "cpu_seconds": running.cpu,
                "peak_memory": running.peak_memory,
                "writes_a_service": writes / services,
            },
            await stage.right(names, services),
        )
        before, cpu = writes, running.cpu
        await asyncio.sleep(size.steady)
        after = await running.writes()
        figures = {"seconds": size.steady, "writes": after - before, "cpu_seconds": running.cpu - cpu}
        yield Row(stage.server, "nothing changes", services, figures)
        async with showing(stage.west) as shown:
            yield await _changes(stage, running, shown, "a label", services, size.changes)
            yield await _readiness(stage, running, shown, services, size.changes // 2)
            yield await _flapping(stage, running, shown, services, size.flaps)


async def _synced(running: Controller, services: int) -> float:
    """
    Seconds until all *services* are mirrored: three writes each, as the controller counts them.

    Raises TimeoutError.
    """
    began = time.monotonic()
    async with asyncio.timeout(PATIENCE):
        while await running.writes() < 3 * services:  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.1)
    return time.monotonic() - began


async def _changes(
    stage: Stage, running: Controller, shown: Shown, what: str, services: int, count: int, link: str = ""
) -> Row:
    """Labels that change, each of a Service of its own, until west shows them."""
    numbers = load.drawn(1, services, count)
    times, cpu = [], running.cpu

    async def one(index: int) -> None:
        number, value = numbers[index], f"v{index}"
        mirror = f"{named(number)}-{link or 'east'}"
        began = time.monotonic()
        await load.relabel(stage.east, number, value)
        await shown.until(lambda: shown.value(mirror) == value, seconds=60)
        times.append(time.monotonic() - began)

    await load.paced(CHANGES_A_SECOND, min(count, services), one)
    return Row(stage.server, f"{what} changes", services, _times(times) | {"cpu_seconds": running.cpu - cpu})


async def _readiness(stage: Stage, running: Controller, shown: Shown, services: int, count: int) -> Row:
    """The last ready endpoint of a Service goes, until its mirror leads nowhere; and comes back."""
    numbers = load.drawn(2, services, min(count, services))
    times, cpu = [], running.cpu

    async def one(index: int) -> None:
        number = numbers[index]
        mirror = f"{named(number)}-east"
        for ready in (False, True):
            began = time.monotonic()
            await load.make_ready(stage.east, number, ready=ready)
            await shown.until(lambda wanted=ready: shown.is_ready(mirror) is wanted, seconds=60)  # type: ignore[misc]
            times.append(time.monotonic() - began)

    await load.paced(CHANGES_A_SECOND / 2, len(numbers), one)
    figures = _times(times) | {"cpu_seconds": running.cpu - cpu}
    return Row(stage.server, "readiness changes", services, figures)


async def _flapping(stage: Stage, running: Controller, shown: Shown, services: int, count: int) -> Row:
    """Endpoints that come and go far more often than anybody can use, and then stay."""
    writes, cpu, began = await running.writes(), running.cpu, time.monotonic()

    async def one(index: int) -> None:
        await load.make_ready(stage.east, index % FLAPPING, ready=index // FLAPPING % 2 == 1)

    await load.paced(FLAPS_A_SECOND, count, one)
    lasted = time.monotonic() - began
    for number in range(FLAPPING):
        await load.make_ready(stage.east, number, ready=True)
    ended = time.monotonic()
    mirrors = [f"{named(number)}-east" for number in range(FLAPPING)]
    await shown.until(lambda: all(shown.is_ready(mirror) for mirror in mirrors), seconds=60)
    figures = {
        "seconds": lasted,
        "changes": count,
        "writes": await running.writes() - writes,
        "cpu_seconds": running.cpu - cpu,
        "settled_after": time.monotonic() - ended,
    }
    return Row(stage.server, "endpoints flap", services, figures)


def _times(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {"changes": len(ordered), "p50": percentile(ordered, 0.5), "p99": percentile(ordered, 0.99)} | {
        "most": ordered[-1]
    }


# Many Links.


async def _of_many_links(stage: Stage, size: Size) -> AsyncIterator[Row]:
    services = size.links * size.of_each

    def link_of(number: int) -> str:
        return f"east-{number % size.links}"

    await load.export(stage.east, range(services), link_of)
    for number in range(size.links):
        await load.link(stage.west, f"east-{number}", _kubeconfig(stage.sites[0]))
    with stage.controller() as running:
        seconds = await _synced(running, services)
        names = [f"{named(number)}-{link_of(number)}" for number in range(services)]
        figures = {
            "links": size.links,
            "seconds": seconds,
            "cpu_seconds": running.cpu,
            "peak_memory": running.peak_memory,
        }
        yield Row(stage.server, f"{size.links} Links", services, figures, await stage.right(names, services))
        async with showing(stage.west) as shown:
            first = range(0, services, size.links)
            yield await _changes_of(stage, running, shown, list(first), "east-0", f"{size.links} Links", size)
            async with _silent() as silent:
                await load.link(stage.west, "silent", _renamed(stage.sites[0], silent))
                what = f"{size.links} Links, and one whose API server never answers"
                yield await _changes_of(stage, running, shown, list(first), "east-0", what, size)


async def _changes_of(
    stage: Stage, running: Controller, shown: Shown, numbers: list[int], link: str, what: str, size: Size
) -> Row:
    """The same few Services changed again and again, one after the other."""
    times, cpu = [], running.cpu
    for index in range(size.changes // 4):
        number, value = numbers[index % len(numbers)], f"{what[-3:].strip()}{index}"
        mirror = f"{named(number)}-{link}"
        began = time.monotonic()
        await load.relabel(stage.east, number, value)
        await shown.until(lambda m=mirror, v=value: shown.value(m) == v, seconds=60)  # type: ignore[misc]
        times.append(time.monotonic() - began)
    services = size.links * size.of_each
    return Row(stage.server, f"{what}: a label", services, _times(times) | {"cpu_seconds": running.cpu - cpu})


@asynccontextmanager
async def _silent() -> AsyncIterator[str]:
    """The URL of a server that takes connections and says nothing."""
    host = own_host()
    open_ones: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: open_ones.append(writer), host, 6443)
    try:
        yield f"https://{host}:6443"
    finally:
        server.close()
        for writer in open_ones:
            writer.close()


def _renamed(site: Site, url: str) -> bytes:
    access = site.access
    assert access.token is not None
    return render(url, access.ca_data, access.token, user="remote", cluster="east")


# An API server that fails.


async def _of_faults(stage: Stage, size: Size) -> AsyncIterator[Row]:
    count = size.faulty_services
    await load.export(stage.east, range(count), lambda _: "east")
    faulty = Faulty(stage.sites[0].access, stage.directory)
    async with faulty.serving():
        await load.link(stage.west, "east", faulty.kubeconfig)
        with stage.controller() as running:
            await _synced(running, count)
            before = await _uids(stage)
            async with showing(stage.west) as shown:
                for fault in FAULTS:
                    seconds = await _through(stage, faulty, fault, shown, size)
                    now = await _uids(stage)
                    wrong = sum(now.get(key) != uid for key, uid in before.items()) + len(now) - len(before)
                    figures = {"lasted": size.faulty, "right_after": seconds}
                    yield Row(stage.server, f"fault: {fault}", count, figures, wrong)


async def _through(stage: Stage, faulty: Faulty, fault: str, shown: Shown, size: Size) -> float:
    """Seconds after *fault* until west shows all that was changed meanwhile."""
    changed: dict[int, str] = {}
    faulty.fault = fault

    async def one(index: int) -> None:
        number = index % size.faulty_services
        changed[number] = value = f"{FAULTS.index(fault)}-{index}"
        await load.relabel(stage.east, number, value)

    await load.paced(CHANGES_A_SECOND, int(size.faulty * CHANGES_A_SECOND), one)
    faulty.fault = ""
    ended = time.monotonic()
    await shown.until(
        lambda: all(shown.value(f"{named(number)}-east") == value for number, value in changed.items()),
        seconds=120,
    )
    return time.monotonic() - ended


async def _uids(stage: Stage) -> dict[Key, str]:
    found = (await stage.west.list(SERVICE, namespace=load.TEST)).items
    return {Key(load.TEST, raw["metadata"]["name"]): raw["metadata"]["uid"] for raw in found}


# What is written.


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
