"""Our two kinds, as a real API server comes to know them."""

import asyncio

from cluster.client import Cluster
from cluster.crds import link_definition, traffic_split_definition
from cluster.errors import NotFound
from cluster.kinds import CUSTOM_RESOURCE_DEFINITION, LINK, TRAFFIC_SPLIT, Kind


async def defined(cluster: Cluster) -> None:
    """Our two kinds are there, and served."""
    for kind, definition in ((LINK, link_definition()), (TRAFFIC_SPLIT, traffic_split_definition())):
        if not await is_served(cluster, kind):
            await cluster.create(CUSTOM_RESOURCE_DEFINITION, definition)
            async with asyncio.timeout(60):
                while not await is_served(cluster, kind):  # noqa: ASYNC110 - no event tells of it
                    await asyncio.sleep(0.05)


async def is_served(cluster: Cluster, kind: Kind) -> bool:
    try:
        await cluster.list(kind)
    except NotFound:
        return False
    return True
