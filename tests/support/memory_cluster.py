"""
A cluster in memory, as far as the mirror writes to one: create, replace, delete and get, with the answers
that an API server gives; and failures, as they are laid out beforehand.

    store.mishaps = deque(["fine", "lost"])      # the second request is carried out, and its answer lost
"""

from collections import deque
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Literal, TypeVar

from cluster.errors import (
    AlreadyExists,
    ClusterError,
    Conflict,
    Forbidden,
    NotFound,
    ServerFault,
    Unreachable,
)
from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, SERVICE, Kind
from cluster.metadata import Key, Raw

T = TypeVar("T")
Mishap = Literal["fine", "conflict", "fault", "unreachable", "lost"]

_ERRORS: Mapping[str, type[ClusterError]] = {
    "conflict": Conflict,
    "fault": ServerFault,
    "unreachable": Unreachable,
}
KINDS = (SERVICE, ENDPOINTS, ENDPOINT_SLICE)


class MemoryCluster:
    """Holds Services, Endpoints and EndpointSlices, as they travel."""

    def __init__(self, *namespaces: str) -> None:
        self.namespaces = set(namespaces)
        """Those in which something can be made."""

        self.version = 1000
        self.mishaps: deque[Mishap] = deque()
        self.held: dict[Kind, dict[Key, Raw]] = {kind: {} for kind in KINDS}

    # What the mirror asks of it, as of `cluster.client.Cluster`.

    async def create(self, kind: Kind, body: Raw) -> Raw:
        return self._befallen(lambda: self.make(kind, body))

    async def replace(self, kind: Kind, body: Raw) -> Raw:
        return self._befallen(lambda: self.put(kind, body))

    async def get(self, kind: Kind, namespace: str, name: str) -> Raw:
        return self._befallen(lambda: deepcopy(self._there(kind, Key(namespace, name))))

    async def delete(
        self, kind: Kind, namespace: str, name: str, *, uid: str = "", resource_version: str = ""
    ) -> None:
        self._befallen(lambda: self.remove(kind, Key(namespace, name), uid, resource_version))

    def _befallen(self, request: Callable[[], T]) -> T:
        mishap: Mishap = self.mishaps.popleft() if self.mishaps else "fine"
        if mishap in _ERRORS:
            raise _ERRORS[mishap]("as it was laid out")
        answer = request()
        if mishap == "lost":
            raise Unreachable("the answer is lost")
        return answer

    # What it does, also when a user asks.

    def make(self, kind: Kind, body: Raw) -> Raw:
        made = deepcopy(body)
        metadata = made["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        if key in self.held[kind]:
            raise AlreadyExists(f"{kind.kind} {key} exists")
        if key.namespace not in self.namespaces:
            raise Forbidden(f"namespace {key.namespace} is being deleted")
        metadata["uid"] = f"made-{self._next()}"
        if kind == SERVICE:
            made["spec"].setdefault("clusterIP", f"10.2.0.{self.version % 250}")
        return self._kept(kind, key, made)

    def put(self, kind: Kind, body: Raw) -> Raw:
        new = deepcopy(body)
        metadata = new["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        old = self._there(kind, key)
        was = old["metadata"]
        if (metadata.get("uid"), metadata.get("resourceVersion")) != (was["uid"], was["resourceVersion"]):
            raise Conflict(f"{kind.kind} {key} is another, or another version")
        if new == old:
            return deepcopy(old)  # nothing is written, as with etcd
        if kind == SERVICE:
            assert new["spec"]["clusterIP"] == old["spec"]["clusterIP"], "an address cannot be changed"
        if kind == ENDPOINT_SLICE:
            assert new["addressType"] == old["addressType"], "a family cannot be changed"
        return self._kept(kind, key, new)

    def remove(self, kind: Kind, key: Key, uid: str = "", version: str = "") -> None:
        there = self._there(kind, key)["metadata"]
        if (uid or there["uid"]) != there["uid"]:
            raise Conflict(f"{kind.kind} {key} is another one")
        if (version or there["resourceVersion"]) != there["resourceVersion"]:
            raise Conflict(f"{kind.kind} {key} has another version")
        del self.held[kind][key]
        self._next()

    def collect(self) -> list[tuple[Kind, Key]]:
        """What the garbage collector does: nothing stays whose owners are gone. Returns what went."""
        gone = []
        uids = {raw["metadata"]["uid"] for raw in self.held[SERVICE].values()}
        for kind in (ENDPOINTS, ENDPOINT_SLICE):
            for key, raw in list(self.held[kind].items()):
                owners = raw["metadata"].get("ownerReferences", ())
                if owners and not any(owner["uid"] in uids for owner in owners):
                    self.remove(kind, key)
                    gone.append((kind, key))
        return gone

    def _there(self, kind: Kind, key: Key) -> Raw:
        try:
            return self.held[kind][key]
        except KeyError:
            raise NotFound(f"no {kind.kind} {key}") from None

    def _kept(self, kind: Kind, key: Key, raw: Raw) -> Raw:
        raw["metadata"]["resourceVersion"] = str(self._next())
        self.held[kind][key] = raw
        return deepcopy(raw)

    def _next(self) -> int:
        self.version += 1
        return self.version
