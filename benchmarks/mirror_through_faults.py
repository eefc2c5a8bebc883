"""The mirror while the other cluster's API server fails, one way after the other."""

import time
from collections.abc import AsyncIterator

from benchmarks import mirror_load as load
from benchmarks.mirror_faults import FAULTS, Faulty
from benchmarks.mirror_load import Shown, named, showing
from benchmarks.mirror_stage import CHANGES_A_SECOND, Row, Size, Stage, synced, uids


async def of_faults(stage: Stage, size: Size) -> AsyncIterator[Row]:
    count = size.faulty_services
    await load.export(stage.east, range(count), lambda _: "east")
    faulty = Faulty(stage.sites[0].access, stage.directory)
    async with faulty.serving():
        await load.link(stage.west, "east", faulty.kubeconfig)
        with stage.controller() as running:
            await synced(running, count)
            before = await uids(stage)
            async with showing(stage.west) as shown:
                for fault in FAULTS:
                    seconds = await _through(stage, faulty, fault, shown, size)
                    now = await uids(stage)
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
