"""What tests of the whole mirror look at and wait for."""

from typing import TypeVar

from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, LINK, NAMESPACE, SECRET, SERVICE
from cluster.objects import Service
from tests.support.clusters import GATEWAY, World, until

T = TypeVar("T")

ALIVE: tuple[list[str], list[str]] = ([GATEWAY], [])
DEAD: tuple[list[str], list[str]] = ([], [GATEWAY])
EMPTY: tuple[list[str], list[str]] = ([], [])

AT_ONCE = 1e-6
"""Seconds to a second look, where a test wants it now."""


async def occasion(at: World, looks: list[float], name: str) -> None:
    """Give the workers something new to look at, and wait until one has."""
    before = len(looks)
    await at.west.namespace(name)
    await until(lambda: answer(len(looks)), lambda count: count > before)


async def mirrored(at: World) -> Service:
    """The mirror of podinfo, once it leads to the gateway."""
    await until(at.west.addresses, lambda found: found == ALIVE)
    found = await at.mirror()
    assert found is not None
    return found


async def stands(
    at: World, condition: str, status: str, reason: str = "", *, link: str = "east", seconds: float = 10.0
) -> None:
    """Return once a Link's *condition* has this *status*, and this *reason* if one is given."""
    await until(
        lambda: at.condition(condition, link),
        lambda found: found == (status, reason or found[1]),
        seconds=seconds,
    )


async def synced(at: World) -> None:
    await stands(at, "Synced", "True", "Synced")


async def versions(at: World) -> dict[str, str]:
    """The resource version of everything in west but the Lease."""
    found = {}
    for kind in (SERVICE, ENDPOINTS, ENDPOINT_SLICE, LINK, SECRET, NAMESPACE):
        for raw in (await at.west.api.list(kind)).items:
            metadata = raw["metadata"]
            found[f"{kind.kind} {metadata.get('namespace', '')}/{metadata['name']}"] = metadata[
                "resourceVersion"
            ]
    return found


async def answer(value: T) -> T:
    return value


def series(at: World) -> int:
    """How many series name the cluster east."""
    return sum(
        sample.labels.get("target_cluster_name") == "east"
        for family in at.registry.collect()
        for sample in family.samples
    )


def reachable(at: World, name: str = "east") -> float | None:
    return at.registry.get_sample_value("mirror_remote_reachable", {"target_cluster_name": name})


async def mirrors(at: World) -> int:
    return len((await at.west.api.list(SERVICE, namespace="test")).items)
