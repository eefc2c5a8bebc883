"""The mirror with one Link: first sync, nothing to do, changes, endpoints that flap."""

import asyncio
import time
from collections.abc import AsyncIterator

from benchmarks import mirror_load as load
from benchmarks.mirror_controller import Controller
from benchmarks.mirror_load import Shown, named, showing
from benchmarks.mirror_stage import CHANGES_A_SECOND, Row, Size, Stage, kubeconfig, quantiles, synced

FLAPS_A_SECOND = 50.0
FLAPPING = 5
"""Services whose endpoints come and go."""


async def of_one_link(stage: Stage, services: int, size: Size) -> AsyncIterator[Row]:
    await load.export(stage.east, range(services), lambda _: "east")
    await load.link(stage.west, "east", kubeconfig(stage.sites[0]))
    with stage.controller() as running:
        seconds = await synced(running, services)
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
            yield await _changes(stage, running, shown, services, size.changes)
            yield await _readiness(stage, running, shown, services, size.changes // 2)
            yield await _flapping(stage, running, shown, services, size.flaps)


async def _changes(stage: Stage, running: Controller, shown: Shown, services: int, count: int) -> Row:
    """Labels that change, each of a Service of its own, until west shows them."""
    numbers = load.drawn(1, services, count)
    times, cpu = [], running.cpu

    async def one(index: int) -> None:
        number, value = numbers[index], f"v{index}"
        mirror = f"{named(number)}-east"
        began = time.monotonic()
        await load.relabel(stage.east, number, value)
        await shown.until(lambda: shown.value(mirror) == value, seconds=60)
        times.append(time.monotonic() - began)

    await load.paced(CHANGES_A_SECOND, min(count, services), one)
    figures = quantiles(times) | {"cpu_seconds": running.cpu - cpu}
    return Row(stage.server, "a label changes", services, figures)


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
    figures = quantiles(times) | {"cpu_seconds": running.cpu - cpu}
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
