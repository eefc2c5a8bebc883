"""
The controller is killed at moments chosen by chance, in the middle of its work, and started again.

In the end all is as it ought to be, nothing stays behind, and nothing of the user's was ever touched.
"""

import asyncio
import signal
from pathlib import Path
from random import Random

from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, SERVICE
from tests.soak.changes import change
from tests.soak.scene import COPIED, NAMES, Scene, kubeconfig, version
from tests.soak.witness import watching
from tests.support.clusters import until
from tests.support.length import WHOLE
from tests.support.pki import Pki
from tests.support.processes import Running, processes

SEED = 7
KILLS = 100 if WHOLE else 3
CHANGES = 6
"""Before each start, and as many while it runs."""

LATEST = 0.25
"""Seconds after the controller has begun to write, until it is killed at the latest."""

LOOKS = ("plain", "half", "of another cluster", "of another service")


async def users_objects(scene: Scene) -> None:
    """Some in the places of mirrors, and some beside them."""
    for number, look in enumerate(LOOKS):
        kind = (SERVICE, ENDPOINTS, ENDPOINT_SLICE, SERVICE)[number]
        await scene.users(kind, f"{NAMES[number]}-east" + ("-ipv4" if kind == ENDPOINT_SLICE else ""), look)
        for beside in (SERVICE, ENDPOINTS, ENDPOINT_SLICE):
            await scene.users(beside, f"mine-{number}", look)


async def copies_of_a_mirror(scene: Scene) -> None:
    await scene.copy(SERVICE, f"{COPIED}-east", "copy")
    await scene.copy(ENDPOINTS, f"{COPIED}-east", "copy")
    await scene.copy(ENDPOINT_SLICE, f"{COPIED}-east-ipv4", "copy")


async def as_it_ought_to_be(scene: Scene) -> None:
    assert await until(scene.mistakes, lambda found: found == [], seconds=20) == []


async def kill_in_the_middle(scene: Scene, running: Running, chance: Random) -> None:
    """Changes go on while it works, until it is killed: the moment is what is left to chance."""
    await running.logged("lease.taken")

    async def changes() -> None:
        for _ in range(CHANGES):
            await change(scene, chance)

    moment = chance.uniform(0, LATEST)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(changes())
        await asyncio.sleep(moment)
        running.signal(signal.SIGKILL)
        await running.ended()


async def test_killed_at_any_moment_it_ends_where_it_would_have(scene: Scene, tmp_path: Path) -> None:
    chance = Random(SEED)
    path = tmp_path / "west.yaml"
    path.write_bytes(kubeconfig(scene.west.access))
    flags = [
        *("mirror", "--kubeconfig", str(path), "--context", "west", "-n", "jackstay"),
        *Pki.make().leaf("jackstay-mirror.jackstay").write(tmp_path, "mirror").flags,
        *("--admin", "127.0.0.1:0", "--allow-loopback", "--log-format", "json"),
    ]
    await users_objects(scene)
    async with processes(tmp_path) as started:
        first = await started.start(*flags)
        await as_it_ought_to_be(scene)
        first.signal(signal.SIGKILL)
        await first.ended()
        await copies_of_a_mirror(scene)
        theirs = {place: version(raw) for place, raw in scene.theirs.items()}
        async with watching(scene.west) as witness:
            unfinished = 0
            for _ in range(KILLS):
                for _ in range(CHANGES):
                    await change(scene, chance)
                before = len(witness.seen)
                await kill_in_the_middle(scene, await started.start(*flags, ready=False), chance)
                unfinished += len(witness.seen) > before and await scene.mistakes() != []
            last = await started.start(*flags)
            await as_it_ought_to_be(scene)
            assert not theirs.keys() & set(witness.seen)
        assert await scene.versions_of_theirs() == theirs
        assert unfinished or not WHOLE
        last.signal(signal.SIGTERM)
        assert await last.ended() == 0
