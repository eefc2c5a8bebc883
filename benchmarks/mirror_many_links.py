"""The mirror with many Links, and with one more whose API server never answers."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks import mirror_load as load
from benchmarks.mirror_controller import Controller
from benchmarks.mirror_load import Shown, named, showing
from benchmarks.mirror_stage import Row, Size, Stage, kubeconfig, quantiles, synced
from benchmarks.programs import own_host


async def of_many_links(stage: Stage, size: Size) -> AsyncIterator[Row]:
    services = size.links * size.of_each

    def link_of(number: int) -> str:
        return f"east-{number % size.links}"

    await load.export(stage.east, range(services), link_of)
    for number in range(size.links):
        await load.link(stage.west, f"east-{number}", kubeconfig(stage.sites[0]))
    with stage.controller() as running:
        seconds = await synced(running, services)
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
                await load.link(stage.west, "silent", kubeconfig(stage.sites[0], silent))
                what = f"{size.links} Links, and one whose API server never answers"
                yield await _changes_of(stage, running, shown, list(first), "east-0", what, size)


async def _changes_of(
    stage: Stage, running: Controller, shown: Shown, numbers: list[int], link: str, what: str, size: Size
) -> Row:
    """The same few Services changed again and again, one after the other."""
    times, cpu = [], running.cpu
    for index in range(size.changes // 4):
        number, value = numbers[index % len(numbers)], f"{len(what)}-{index}"
        mirror = f"{named(number)}-{link}"
        began = time.monotonic()
        await load.relabel(stage.east, number, value)
        await shown.until(lambda m=mirror, v=value: shown.value(m) == v, seconds=60)  # type: ignore[misc]
        times.append(time.monotonic() - began)
    services = size.links * size.of_each
    return Row(
        stage.server, f"{what}: a label", services, quantiles(times) | {"cpu_seconds": running.cpu - cpu}
    )


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
