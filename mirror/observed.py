"""
What a plan is made from. An `Observed` exists only once both clusters have been listed completely, so
that there can be no plan before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

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
    def of(cls, services: Snapshot[Service], slices: Snapshot[EndpointSlice]) -> Self:
        return cls(
            services=services.items,
            ready=ready_endpoints(slices.items),
            unreadable=frozenset(services.unreadable),
            deleted=frozenset(services.deleted),
            version=services.version,
            unbroken=services.unbroken,
            listed_at=services.listed_at,
            source=services.source,
            cluster_uid=services.cluster_uid,
        )


def ready_endpoints(slices: Mapping[Key, EndpointSlice]) -> dict[Key, int]:
    """
    How many ready endpoints the Services have in their *slices*, where there are any.

    One with two families has each pod in two slices; it counts once.
    """
    found: dict[Key, dict[str, int]] = {}
    for part in slices.values():
        ready = sum(1 for endpoint in part.endpoints if endpoint.is_ready and endpoint.addresses)
        if ready:
            families = found.setdefault(Key(part.metadata.namespace, part.service), {})
            families[part.address_type] = families.get(part.address_type, 0) + ready
    return {key: max(families.values()) for key, families in found.items()}


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


def parts_of(slices: Mapping[Key, EndpointSlice]) -> dict[Key, tuple[EndpointSlice, ...]]:
    """The *slices* of each mirror. One that has another name than ours have is somebody's copy."""
    found: dict[Key, tuple[EndpointSlice, ...]] = {}
    for key, part in slices.items():
        mirror = Key(part.metadata.namespace, part.service)
        if any(key == slice_key(mirror, family) for family in FAMILIES):
            found[mirror] = (*found.get(mirror, ()), part)
    return found


def usable(namespaces: Mapping[Key, Namespace]) -> frozenset[str]:
    """The names of *namespaces* that are not being deleted."""
    return frozenset(
        namespace.metadata.name
        for namespace in namespaces.values()
        if namespace.metadata.deletion_timestamp is None
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

    now: str = ""
    """The time, as it is written on objects of which something begins to be so."""

    @property
    def replaced(self) -> bool:
        """Whether the Link now leads to another cluster than it once did."""
        known, now = self.link.remote_uid, self.remote.cluster_uid
        return bool(known and now and known != now)
