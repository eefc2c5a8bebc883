"""Both clusters, as the machine of `test_interleavings` changes them: the other one, and ours by users."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace

from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, SERVICE, Kind
from cluster.metadata import Raw, head
from cluster.objects import Key, Metadata, Service
from mirror import marks
from mirror.observed import Remote
from tests.mirror.planned_state import Place
from tests.support.memory_cluster import MemoryCluster

OTHER_LINK = "link-other"
NOBODYS = "nobodys"
"""A label by which the test knows a mirror without a Link, as Linkerd makes them: it may be written over."""


@dataclass
class OtherSide:
    """The other cluster, and what its watch says of it."""

    seen: Remote = field(default_factory=lambda: Remote({}, source="server-1", cluster_uid="uid-1"))
    latest: int = 100
    saved: Remote | None = None

    def put(self, service: Service) -> None:
        key = service.metadata.key
        numbered = replace(service, metadata=replace(service.metadata, resource_version=self._next()))
        self._now(
            services={**self.seen.services, key: numbered},
            unreadable=self.seen.unreadable - {key},
            deleted=self.seen.deleted - {key},
        )

    def remove(self, key: Key, *, in_a_gap: bool) -> None:
        """It goes; in a gap nobody sees it go, and until the next listing nothing is certain."""
        self._next()
        left = {there: service for there, service in self.seen.services.items() if there != key}
        if in_a_gap:
            self._now(services=left, unbroken=False)
        else:
            self._now(services=left, deleted=self.seen.deleted | {key})

    def garble(self, key: Key) -> None:
        """What stands there cannot be read any more."""
        self._next()
        left = {there: service for there, service in self.seen.services.items() if there != key}
        self._now(services=left, unreadable=self.seen.unreadable | {key})

    def ready(self, key: Key, count: int) -> None:
        counts = {there: ready for there, ready in self.seen.ready.items() if there != key}
        self.seen = replace(self.seen, ready={**counts, key: count} if count else counts)

    def list(self, now: float) -> None:
        self.seen = replace(self.seen, deleted=frozenset(), unbroken=True, listed_at=now)

    def restore(self, now: float) -> None:
        """It is what it was when it was saved, versions and all."""
        if self.saved is not None:
            self.seen = replace(self.saved, deleted=frozenset(), unbroken=True, listed_at=now)

    def go_on(self, now: float) -> None:
        """It is read again: listed, nothing garbled, and later than everything before."""
        self.latest += 1
        self._now(unreadable=frozenset(), unbroken=True, deleted=frozenset(), listed_at=now)

    def _now(self, **changes: object) -> None:
        self.seen = replace(self.seen, version=str(self.latest), **changes)  # type: ignore[arg-type]

    def _next(self) -> str:
        self.latest += 1
        return str(self.latest)


@dataclass
class OurSide:
    """Our own cluster, and which of what is in it is the user's."""

    store: MemoryCluster
    link_uid: str
    theirs: dict[Place, Raw] = field(default_factory=dict)

    def take_the_place(self, kind: Kind, key: Key, metadata: Metadata) -> None:
        """The user removes what stands there and makes something of his own."""
        if key.namespace not in self.store.namespaces:
            return
        self.remove(kind, key)
        made = self.store.make(kind, _body(kind, replace(metadata, name=key.name, namespace=key.namespace)))
        if NOBODYS not in made["metadata"]["labels"]:
            self.theirs[kind, key] = made

    def copy(self, kind: Kind, key: Key, name: str) -> None:
        """The user saves what stands there as YAML, and applies it under another name."""
        raw, place = self.store.held[kind].get(key), Key(key.namespace, name)
        if raw is None or place in self.store.held[kind] or key.namespace not in self.store.namespaces:
            return
        copied = deepcopy(raw)
        copied["metadata"]["name"] = name
        for removed in ("uid", "resourceVersion", "ownerReferences"):
            copied["metadata"].pop(removed, None)
        copied.get("spec", {}).pop("clusterIP", None)
        self.theirs[kind, place] = self.store.make(kind, copied)

    def remove(self, kind: Kind, key: Key) -> None:
        if key in self.store.held[kind]:
            self.store.remove(kind, key)
            self.theirs.pop((kind, key), None)

    def edit(self, kind: Kind, key: Key, labels: Mapping[str, str | None]) -> None:
        """A user sets or takes away *labels* of what is ours."""
        raw = self.store.held[kind].get(key)
        if raw is not None and (kind, key) not in self.theirs:
            changed = deepcopy(raw)
            there = {**changed["metadata"].get("labels", {}), **labels}
            changed["metadata"]["labels"] = {
                name: value for name, value in there.items() if value is not None
            }
            self.store.put(kind, changed)
            self.tell_apart()

    def tell_apart(self) -> None:
        """What bears too few marks for the Link to know it again is the user's from now on."""
        for kind, there in self.store.held.items():
            for key, raw in there.items():
                if (kind, key) not in self.theirs and not self._is_known(raw):
                    self.theirs[kind, key] = deepcopy(raw)

    def _is_known(self, raw: Raw) -> bool:
        labels, annotations = (raw["metadata"].get(part, {}) for part in ("labels", "annotations"))
        uid = labels.get(marks.LINK_UID)
        marked = (labels.get(marks.MIRRORED_SERVICE), labels.get(marks.CLUSTER_NAME)) == ("true", "east")
        return uid == self.link_uid or (marked and uid != OTHER_LINK and marks.REMOTE_NAME in annotations)

    def collect(self) -> None:
        """Kubernetes removes what nobody owns any more, also of what a user has relabelled."""
        for place in self.store.collect():
            self.theirs.pop(place, None)

    def spoil(self, kind: Kind, key: Key) -> None:
        """A user changes what is ours where it matters."""
        raw = self.store.held[kind].get(key)
        if raw is not None and (kind, key) not in self.theirs:
            changed = deepcopy(raw)
            if kind == SERVICE:
                changed["spec"]["ports"] = [{"port": 1, "protocol": "TCP", "targetPort": 1}]
            elif kind == ENDPOINTS:
                changed["subsets"] = [{"addresses": [{"ip": "192.0.2.99"}], "ports": [{"port": 1}]}]
            else:
                changed["endpoints"] = []
            self.store.put(kind, changed)

    def take_over(self, kind: Kind, key: Key) -> None:
        """A user makes ours his own: no mark of ours is left on it, and nobody owns it."""
        raw = self.store.held[kind].get(key)
        if raw is not None and (kind, key) not in self.theirs:
            changed = deepcopy(raw)
            for removed in ("labels", "annotations", "ownerReferences"):
                changed["metadata"].pop(removed, None)
            self.theirs[kind, key] = self.store.put(kind, changed)

    def is_untouched(self) -> bool:
        return all(self.store.held[kind].get(key) == raw for (kind, key), raw in self.theirs.items())


def _body(kind: Kind, metadata: Metadata) -> Raw:
    if kind == SERVICE:
        return {
            **head(kind, metadata),
            "spec": {"type": "ClusterIP", "ports": [{"port": 80, "protocol": "TCP"}]},
        }
    if kind == ENDPOINT_SLICE:
        family = "IPv6" if metadata.name.endswith("-ipv6") else "IPv4"
        return {**head(kind, metadata), "addressType": family, "endpoints": [], "ports": []}
    return head(kind, metadata)


def lookalike(kind: Kind, key: Key, look: str, remote: str) -> Metadata:
    """What the user puts on something of his own at *key*, that *looks* more or less like ours."""
    full = {marks.MIRRORED_SERVICE: "true", marks.CLUSTER_NAME: "east", marks.SLICE_SERVICE: key.name}
    labels, annotations = {
        "plain": ({"app": "mine"}, {}),
        "half": (full, {}),
        "of another service": (full, {marks.REMOTE_NAME: "other.test.svc.cluster.local"}),
        "of another link": ({**full, marks.LINK_UID: OTHER_LINK}, {marks.REMOTE_NAME: remote}),
        "of another cluster": (
            {**full, marks.CLUSTER_NAME: "north"},
            {marks.REMOTE_NAME: remote},
        ),
        "nobodys": ({**full, NOBODYS: "yes"}, {marks.REMOTE_NAME: remote}),
    }[look]
    if kind == ENDPOINT_SLICE and look == "plain":
        labels = {**labels, marks.SLICE_SERVICE: "elsewhere"}
    return Metadata(key.name, key.namespace, labels=labels, annotations=annotations)
