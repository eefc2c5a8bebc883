"""West with a Link and objects of a user's, east with services: what the controller is killed before."""

import base64
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Self

import yaml

from cluster.access import Access
from cluster.client import Cluster
from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, LINK, NAMESPACE, SECRET, SERVICE, Kind
from cluster.metadata import Key, Raw
from cluster.objects import Service
from mirror import marks
from tests.mirror.planned_state import Asked, Place, mistakes

NAMESPACE_OF_ALL = "test"
GATEWAY = "203.0.113.7"
"""Nobody is there, and nobody is asked: without a probe in the Link it is taken to be alive."""

IDENTITY = "jackstay-gateway.jackstay.serviceaccount.identity.jackstay.east.example"
NAMES = tuple(f"s{number}" for number in range(12))
ALWAYS = NAMES[-1]
"""Exported all the time: where nothing would be left, a mirror waits with deleting."""

COPIED = NAMES[-2]
KINDS = (SERVICE, ENDPOINTS, ENDPOINT_SLICE)


@dataclass
class Scene:
    west: Cluster
    east: Cluster
    link_uid: str = ""
    services: dict[Key, Service] = field(default_factory=dict)
    """What east has."""

    ready: dict[Key, int] = field(default_factory=dict)
    theirs: dict[Place, Raw] = field(default_factory=dict)
    """The user's objects in west, as they were made."""

    @classmethod
    async def set(cls, west: Cluster, east: Cluster, kubeconfig: bytes) -> Self:
        made = cls(west, east)
        for cluster in (west, east):
            for name in ("jackstay", NAMESPACE_OF_ALL):
                await make(cluster, NAMESPACE, name, None)
        await make(
            west,
            SECRET,
            "cluster-credentials-east",
            "jackstay",
            type="mirror.linkerd.io/remote-kubeconfig",
            data={"kubeconfig": base64.b64encode(kubeconfig).decode()},
        )
        spec = {
            "targetClusterName": "east",
            "targetClusterDomain": "cluster.local",
            "clusterCredentialsSecret": "cluster-credentials-east",
            "gatewayAddress": GATEWAY,
            "gatewayPort": "4143",
            "gatewayIdentity": IDENTITY,
            "selector": {"matchLabels": {marks.EXPORTED: "true"}},
        }
        link = await make(west, LINK, "east", "jackstay", spec=spec)
        made.link_uid = link["metadata"]["uid"]
        for name in NAMES:
            await made.put(name, exported=True, ports=(80,), app="x")
            await made.have_ready(name, 1)
        return made

    # East.

    async def put(self, name: str, *, exported: bool, ports: tuple[int, ...], app: str) -> None:
        """A Service of that *name* is there, and is so."""
        labels = {"app": app, **({marks.EXPORTED: "true"} if exported else {})}
        spec = {"ports": [{"name": f"p{port}", "port": port} for port in ports]}
        key = Key(NAMESPACE_OF_ALL, name)
        if key in self.services:
            raw = await self.east.get(SERVICE, *key)
            raw["metadata"]["labels"] = labels
            raw["spec"]["ports"] = spec["ports"]
            raw = await self.east.replace(SERVICE, raw)
        else:
            raw = await make(self.east, SERVICE, name, metadata={"labels": labels}, spec=spec)
        self.services[key] = Service.from_dict(raw)

    async def remove(self, name: str) -> None:
        key = Key(NAMESPACE_OF_ALL, name)
        if self.services.pop(key, None):
            await self.east.delete(SERVICE, *key)

    async def have_ready(self, name: str, count: int) -> None:
        """So many pods of it are ready."""
        key = Key(NAMESPACE_OF_ALL, name)
        pods = [
            {"addresses": [f"10.0.0.{number}"], "conditions": {"ready": number <= count}} for number in (1, 2)
        ]
        if key in self.ready:
            await self.east.patch(ENDPOINT_SLICE, key.namespace, f"{name}-0", {"endpoints": pods})
        else:
            labels = {marks.SLICE_SERVICE: name}
            more: Raw = {"addressType": "IPv4", "endpoints": pods, "ports": [{"name": "p80", "port": 80}]}
            await make(self.east, ENDPOINT_SLICE, f"{name}-0", metadata={"labels": labels}, **more)
        self.ready[key] = count

    # West.

    async def users(self, kind: Kind, name: str, look: str) -> None:
        """The user makes something of his own, that *looks* more or less like ours."""
        mirror = name.removesuffix("-ipv4").removesuffix("-copy")
        labels, annotations = _look(look, mirror)
        parts: Raw = {"metadata": {"labels": labels, "annotations": annotations}}
        if kind == SERVICE:
            parts["spec"] = {"ports": [{"port": 80}]}
        elif kind == ENDPOINT_SLICE:
            parts |= {"addressType": "IPv4", "endpoints": [{"addresses": ["203.0.113.99"]}], "ports": []}
        else:
            parts["subsets"] = [{"addresses": [{"ip": "203.0.113.99"}], "ports": [{"port": 80}]}]
        made = await make(self.west, kind, name, **parts)
        self.theirs[kind, Key(NAMESPACE_OF_ALL, name)] = made

    async def copy(self, kind: Kind, name: str, copied: str) -> None:
        """The user saves what is there as YAML, and applies it under another name."""
        raw = deepcopy(await self.west.get(kind, NAMESPACE_OF_ALL, name))
        kept = {part: raw["metadata"][part] for part in ("labels", "annotations") if part in raw["metadata"]}
        raw["metadata"] = {"name": copied, "namespace": NAMESPACE_OF_ALL, **kept}
        if kind == SERVICE:
            raw["spec"] = {"ports": raw["spec"]["ports"]}
        self.theirs[kind, Key(NAMESPACE_OF_ALL, copied)] = await self.west.create(kind, raw)

    async def held(self) -> dict[Kind, dict[Key, Raw]]:
        """Everything in west's namespace."""
        return {
            kind: {
                Key(NAMESPACE_OF_ALL, raw["metadata"]["name"]): raw
                for raw in (await self.west.list(kind, namespace=NAMESPACE_OF_ALL)).items
            }
            for kind in KINDS
        }

    async def mistakes(self) -> list[str]:
        """What is not as it ought to be in west."""
        asked = Asked(
            self.services,
            {key: count for key, count in self.ready.items() if count and key in self.services},
            {GATEWAY: True},
            (marks.EXPORTED, "true"),
            self.link_uid,
            "east",
            frozenset(),
            frozenset({NAMESPACE_OF_ALL}),
        )
        return mistakes(await self.held(), self.theirs, asked)

    async def versions_of_theirs(self) -> dict[Place, tuple[str, str]]:
        """uid and version of each of the user's objects that is there."""
        held = await self.held()
        return {
            place: version(held[place[0]][place[1]]) for place in self.theirs if place[1] in held[place[0]]
        }


def version(raw: Raw) -> tuple[str, str]:
    return raw["metadata"]["uid"], raw["metadata"]["resourceVersion"]


async def make(
    cluster: Cluster, kind: Kind, name: str, namespace: str | None = NAMESPACE_OF_ALL, **parts: object
) -> Raw:
    said = parts.pop("metadata", {})
    assert isinstance(said, dict)
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **said}
    return await cluster.create(
        kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **parts}
    )


def kubeconfig(access: Access) -> bytes:
    """How the controller is told of *access*, with the context west."""
    assert access.token is not None
    cluster = {
        "server": access.server,
        "certificate-authority-data": base64.b64encode(access.ca_data).decode(),
        **({"tls-server-name": access.tls_server_name} if access.tls_server_name else {}),
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "west", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": access.token}}],
        "contexts": [{"name": "west", "context": {"cluster": "west", "user": "admin"}}],
        "current-context": "west",
    }
    return yaml.safe_dump(document).encode()


def _look(look: str, mirror: str) -> tuple[dict[str, str], dict[str, str]]:
    """The labels and annotations of something that *looks* so at the place of *mirror*."""
    remote = f"{mirror.removesuffix('-east')}.{NAMESPACE_OF_ALL}.svc.cluster.local"
    marked = {marks.MIRRORED_SERVICE: "true", marks.CLUSTER_NAME: "east", marks.SLICE_SERVICE: mirror}
    return {
        "plain": ({"app": "mine"}, {}),
        "half": (marked, {}),
        "of another cluster": ({**marked, marks.CLUSTER_NAME: "north"}, {marks.REMOTE_NAME: remote}),
        "of another service": (marked, {marks.REMOTE_NAME: f"other.{NAMESPACE_OF_ALL}.svc.cluster.local"}),
    }[look]
