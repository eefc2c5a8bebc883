"""A real API server as if it were new, within a tenth of a second: starting another takes ten seconds."""

from collections.abc import Collection, Iterable

import aiohttp

from cluster.access import Access
from cluster.client import Cluster
from cluster.kinds import KINDS, LINK, NAMESPACE, NODE, Kind
from cluster.transport import Transport

OF_ITSELF = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})
"""Namespaces that an API server makes for itself."""

EMPTIED = tuple(kind for kind in KINDS if kind.namespaced)


async def empty(access: Access, *, keep: Collection[str] = ()) -> None:
    """
    Delete every object that tests have made; of the namespaces, *keep* stay.

    No controller works here: what holds on to an object or a namespace is let go of by hand.
    """
    async with Cluster(access) as cluster:
        transport = Transport(access)
        try:
            await _release_links(cluster)
            for kind in EMPTIED:  # one after the other: new connections would take longer than the requests
                await _empty(cluster, transport, kind)
            await _delete_nodes(cluster)
            await _delete_namespaces(cluster, transport, OF_ITSELF.union(keep))
        finally:
            await transport.close()


async def _release_links(cluster: Cluster) -> None:
    for raw in (await cluster.list(LINK)).items:
        metadata = raw["metadata"]
        if metadata.get("finalizers"):
            await cluster.patch(
                LINK, metadata["namespace"], metadata["name"], {"metadata": {"finalizers": None}}
            )


async def _empty(cluster: Cluster, transport: Transport, kind: Kind) -> None:
    items = (await cluster.list(kind)).items
    for namespace in {raw["metadata"]["namespace"] for raw in items} - OF_ITSELF:
        await _asked(cluster.access, transport, "DELETE", kind.path(namespace))


async def _delete_nodes(cluster: Cluster) -> None:
    for raw in (await cluster.list(NODE)).items:
        await cluster.delete(NODE, None, raw["metadata"]["name"])


async def _delete_namespaces(cluster: Cluster, transport: Transport, keep: Collection[str]) -> None:
    for name in _names((await cluster.list(NAMESPACE)).items, keep):
        await cluster.delete(NAMESPACE, None, name)
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {}}
        path = NAMESPACE.path(None, name, "finalize")
        await _asked(cluster.access, transport, "PUT", path, body)


def _names(items: Iterable[dict[str, dict[str, str]]], keep: Collection[str]) -> list[str]:
    return [name for raw in items if (name := raw["metadata"]["name"]) not in keep]


async def _asked(access: Access, transport: Transport, method: str, path: str, body: object = None) -> None:
    """What our own client does not do, since we never do it."""
    headers = {"Authorization": f"Bearer {access.token}", "Content-Type": "application/json"}
    limit = aiohttp.ClientTimeout(total=30)
    async with await transport.answer(
        method, access.server + path, body=body, headers=headers, timeout=limit
    ) as response:
        if response.status >= 300:
            raise AssertionError(
                f"{access}: {method} {path}: {response.status}: {(await response.text())[:300]}"
            )
