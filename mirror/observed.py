"""
What a plan is made from. An `Observed` exists only once both clusters have been listed completely, so
that there can be no plan before.
"""

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from typing import Self

from cluster.changes import Groups
from cluster.objects import Endpoints, EndpointSlice, Key, Namespace, Service
from cluster.snapshot import Snapshot
from mirror.link import LinkSpec
from mirror.naming import FAMILIES, slice_key


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """One address of the remote gateway."""

    ip: str
    alive: bool | None = None
    """None: no verdict yet."""


@dataclass(frozen=True, slots=True)
class Remote:
    """The other cluster, as far as we may read it."""

    services: Mapping[Key, Service]
    ready: Mapping[Key, int] = field(default_factory=dict)
    """How many endpoints take connections, by Service; those with none are not in it."""

    unreadable: frozenset[Key] = frozenset()
    """Services that are there, of which no more is known."""

    deleted: frozenset[Key] = frozenset()
    """Services that were seen to go, on a watch without a gap."""

    version: str = ""
    unbroken: bool = True
    """Whether a Service that is not here is not there."""

    listed_at: float = 0.0
    source: str = ""
    """Tells which server was listed, and with whose credentials."""

    cluster_uid: str = ""

    @classmethod
    def of(cls, services: Snapshot[Service], ready: Mapping[Key, int]) -> Self:
        return cls(
            services=services.items,
            ready=ready,
            unreadable=frozenset(services.unreadable),
            deleted=frozenset(services.deleted),
            version=services.version,
            unbroken=services.unbroken,
            listed_at=services.listed_at,
            source=services.source,
            cluster_uid=services.cluster_uid,
        )


Object = Service | Endpoints | EndpointSlice
"""What a mirror is made of."""


@dataclass(frozen=True, slots=True)
class Local:
    """Our own cluster."""

    namespaces: frozenset[str]
    """Those in which something can be made: there, and not about to go."""

    services: Mapping[Key, Service]
    endpoints: Mapping[Key, Endpoints]
    slices: Mapping[Key, EndpointSlice]
    """Only those that bear the uid of a Link."""

    leaving: frozenset[str] = frozenset()
    """Namespaces that are about to go: nothing can be made in them, and they cannot be made anew yet."""

    grouped: InitVar[Mapping[Key, tuple[EndpointSlice, ...]] | None] = None
    parts: Mapping[Key, tuple[EndpointSlice, ...]] = field(init=False, compare=False, repr=False)
    """The slices by the Service that they are of; *grouped*, where somebody has done that."""

    def __post_init__(self, grouped: Mapping[Key, tuple[EndpointSlice, ...]] | None) -> None:
        object.__setattr__(self, "parts", parts_of(self.slices) if grouped is None else grouped)


def parts_of(slices: Mapping[Key, EndpointSlice]) -> Mapping[Key, tuple[EndpointSlice, ...]]:
    """The *slices* of each mirror."""
    groups: Groups[EndpointSlice] = Groups(mirror_of)
    groups.take(slices)
    return groups.members


def mirror_of(part: EndpointSlice) -> Key:
    """The mirror that *part* is of; nobody's, if it has another name than ours have: somebody's copy."""
    mirror = Key(part.metadata.namespace, part.service)
    return mirror if part.metadata.key in [slice_key(mirror, family) for family in FAMILIES] else NOBODYS


NOBODYS = Key("", "")


def usable(namespaces: Mapping[Key, Namespace]) -> frozenset[str]:
    """The names of *namespaces* that are not being deleted."""
    names = frozenset(namespace.metadata.name for namespace in namespaces.values())
    return names - leaving(namespaces)


def leaving(namespaces: Mapping[Key, Namespace]) -> frozenset[str]:
    """The names of those that are."""
    return frozenset(
        namespace.metadata.name
        for namespace in namespaces.values()
        if namespace.metadata.deletion_timestamp is not None
    )


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that matters for the mirrors of one Link."""

    link: LinkSpec
    remote: Remote
    local: Local
    gateway: tuple[GatewayAddress, ...] = ()
    """Each current address once, sorted."""

    others: frozenset[str] = field(default=frozenset())
    """The uids of the other Links."""

    most: int = 10_000
    """How many mirrors the Link may have."""

    create_namespaces: bool = False
    """Whether a namespace that is missing is made for the mirrors in it."""

    now: str = ""
    """The time, as it is written on objects of which something begins to be so."""

    @property
    def replaced(self) -> bool:
        """Whether the Link now leads to another cluster than it once did."""
        known, now = self.link.remote_uid, self.remote.cluster_uid
        return bool(known and now and known != now)
