"""Changes by chance, of both clusters. Each is whole when it returns; the same seed chooses the same ones."""

from contextlib import suppress
from random import Random

from cluster.errors import Conflict, NotFound
from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, SERVICE, Kind
from cluster.metadata import Key
from tests.soak.scene import ALWAYS, COPIED, NAMES, NAMESPACE_OF_ALL, Scene

CHANGED = [name for name in NAMES if name not in (ALWAYS, COPIED)]
PORTS = ((80,), (80, 443), (8080,))


async def change(scene: Scene, chance: Random) -> None:
    """One of the other cluster, or of a mirror, as users make them."""
    name = chance.choice(CHANGED)
    match chance.randrange(8):
        case 0 | 1 | 2:
            exported, app = chance.random() < 0.7, chance.choice("xyz")
            await scene.put(name, exported=exported, ports=chance.choice(PORTS), app=app)
        case 3:
            await scene.remove(name)
        case 4 | 5:
            await scene.have_ready(name, chance.choice((0, 1, 2)))
        case 6:
            await _edited(scene, *_part(name, chance))
        case _:
            await _deleted(scene, *_part(name, chance))


def _part(name: str, chance: Random) -> tuple[Kind, str]:
    """A part of the mirror of *name*."""
    parts = ((SERVICE, f"{name}-east"), (ENDPOINTS, f"{name}-east"), (ENDPOINT_SLICE, f"{name}-east-ipv4"))
    return chance.choice(parts)


async def _edited(scene: Scene, kind: Kind, name: str) -> None:
    if (kind, Key(NAMESPACE_OF_ALL, name)) in scene.theirs:
        return
    with suppress(NotFound, Conflict):
        raw = await scene.west.get(kind, NAMESPACE_OF_ALL, name)
        raw["metadata"]["labels"] = {**raw["metadata"]["labels"], "app": "edited"}
        if kind == SERVICE:
            raw["spec"]["ports"] = [{"name": "edited", "port": 1}]
        elif kind == ENDPOINTS:
            raw["subsets"] = []
        else:
            raw["endpoints"] = [{"addresses": ["203.0.113.66"], "conditions": {"ready": True}}]
        await scene.west.replace(kind, raw)


async def _deleted(scene: Scene, kind: Kind, name: str) -> None:
    if (kind, Key(NAMESPACE_OF_ALL, name)) not in scene.theirs:
        with suppress(NotFound):
            await scene.west.delete(kind, NAMESPACE_OF_ALL, name)
