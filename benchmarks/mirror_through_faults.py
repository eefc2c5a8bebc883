"""The mirror while the other cluster's API server fails, one way after the other."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from benchmarks import mirror_load as load
from benchmarks.mirror_clock import JUMPS, Clock, library
from benchmarks.mirror_faults import FAULTS, Faulty
from benchmarks.mirror_load import Shown, named, showing
from benchmarks.mirror_stage import CHANGES_A_SECOND, Row, Size, Stage, synced, uids
from cluster.kinds import LEASE


async def of_faults(stage: Stage, size: Size) -> AsyncIterator[Row]:
    count = size.faulty_services
    await load.export(stage.east, range(count), lambda _: "east")
    faulty = Faulty(stage.sites[0].access, stage.directory)
    found = library()
    clock = Clock(found, stage.directory / "clock") if found is not None else None
    async with faulty.serving():
        await load.link(stage.west, "east", faulty.kubeconfig)
        with stage.controller(clock) as running:
            await synced(running, count)
            before = await uids(stage)
            async with showing(stage.west) as shown:
                for turn, fault in enumerate((*FAULTS, *(JUMPS if clock is not None else ()))):
                    _set(faulty, clock, fault)
                    await _told(stage, jumped=fault in JUMPS)
                    changed = await _changed(stage, turn, size)
                    _set(faulty, clock, "")
                    seconds = await _right(shown, changed)
                    now = await uids(stage)
                    wrong = sum(now.get(key) != uid for key, uid in before.items()) + len(now) - len(before)
                    figures = {"lasted": size.faulty, "right_after": seconds}
                    yield Row(stage.server, f"fault: {fault}", count, figures, wrong)


async def _changed(stage: Stage, turn: int, size: Size) -> dict[int, str]:
    """What each Service's label says once as many have been changed as there is time for."""
    changed: dict[int, str] = {}

    async def one(index: int) -> None:
        number = index % size.faulty_services
        changed[number] = value = f"{turn}-{index}"
        await load.relabel(stage.east, number, value)

    await load.paced(CHANGES_A_SECOND, int(size.faulty * CHANGES_A_SECOND), one)
    return changed


async def _right(shown: Shown, changed: dict[int, str]) -> float:
    """Seconds until west shows all that was *changed*."""
    began = time.monotonic()
    await shown.until(
        lambda: all(shown.value(f"{named(number)}-east") == value for number, value in changed.items()),
        seconds=120,
    )
    return time.monotonic() - began


async def _told(stage: Stage, *, jumped: bool) -> None:
    """Return once the controller's Lease tells another time than this process has, or the same."""
    async with asyncio.timeout(60):
        while await _differs(stage) is not jumped:  # noqa: ASYNC110 - it is renewed every two seconds
            await asyncio.sleep(0.2)


async def _differs(stage: Stage) -> bool:
    lease = await stage.west.get(LEASE, load.CONTROL, "jackstay-mirror")
    renewed = datetime.fromisoformat(lease["spec"]["renewTime"])
    return abs(datetime.now(UTC) - renewed) > timedelta(hours=12)


def _set(faulty: Faulty, clock: Clock | None, fault: str) -> None:
    """Have *fault* happen: to the API server, or to the controller's clock; "" for none."""
    faulty.fault = fault if fault in FAULTS else ""
    if clock is not None:
        clock.jump(fault)
