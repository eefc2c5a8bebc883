"""Where names lead: the gateway's routes and the outbound proxy's targets. Values only."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Self

from process.address import Address

Protocol = Literal["jackstay/1", "transport.l5d.io/v1"]


@dataclass(frozen=True, slots=True)
class Route:
    """One port of an exported service, and who may use it."""

    service: str
    """Fully qualified and lower-case: `podinfo.test.svc.cluster.local`."""

    port: int
    """The service's port, as a peer names it; backends may listen on others."""

    backends: tuple[Address, ...]
    """Ready endpoints; () if there is none right now."""

    allow: tuple[str, ...] | None = None
    """Identities, or `*.` and a suffix (one label); () is nobody, None everyone under the anchors."""

    accept_bare_fin: bool = False
    """Whether a peer's FIN without close_notify counts as an end and not as a truncation."""

    proxy_protocol: bool = False
    """Whether the backend is told who calls, by PROXY protocol v2."""

    near: tuple[Address, ...] = ()
    """Those of the backends that are in our own zone, or meant for it; () if nothing is known of zones."""

    sticky: bool = False
    """Whether a caller gets the same backend each time (sessionAffinity: ClientIP)."""

    listed: bool = False
    """Whether somebody has listed the Service, so that its backends may be at nodes."""


@dataclass(frozen=True, slots=True)
class RouteTable:
    """Everything a gateway exports. Swapped whole when it changes."""

    routes: Mapping[tuple[str, int], Route]

    allow_loopback: bool = False
    """Whether its backends may be on this machine."""

    # Here and not in each route, since tables are compared: 1,000 routes with 5,000 nodes each took 230 ms.
    never: frozenset[str] = frozenset()
    """Addresses of which none is a backend, whatever leads there, in the form of `process.address.plain`."""

    never_listed: frozenset[str] = frozenset()
    """The same for routes of listed Services: fewer."""

    @classmethod
    def of(
        cls,
        routes: Iterable[Route],
        *,
        allow_loopback: bool = False,
        never: frozenset[str] = frozenset(),
        never_listed: frozenset[str] = frozenset(),
    ) -> Self:
        """A table of *routes*; of two for one service and port, the later one holds."""
        by_name = MappingProxyType({(route.service, route.port): route for route in routes})
        return cls(by_name, allow_loopback, never, never_listed)

    def find(self, service: str, port: int) -> Route | None:
        """The route to *port* of *service*; None if that is not exported."""
        return self.routes.get((service, port))

    def never_of(self, route: Route) -> frozenset[str]:
        """Where no backend of *route* is."""
        return self.never_listed if route.listed else self.never


@dataclass(frozen=True, slots=True)
class Target:
    """A service of another cluster, and the gateways through which it is reached."""

    service: str
    """The name that the gateway over there knows: `podinfo.test.svc.cluster.local`."""

    port: int
    gateways: tuple[Address, ...]
    """() while none is alive."""

    gateway_identity: str
    """The DNS name that the gateway's certificate must bear."""

    cluster: str = ""
    """The other cluster's name, checked against the gateway's own if it has one."""

    protocol: Protocol = "jackstay/1"


@dataclass(frozen=True, slots=True)
class TargetTable:
    """Everything an outbound proxy offers, by the address that applications connect to."""

    targets: Mapping[Address, Target]

    @classmethod
    def of(cls, targets: Mapping[Address, Target]) -> Self:
        return cls(MappingProxyType(dict(targets)))

    def find(self, address: Address) -> Target | None:
        """The target behind *address*; None if nothing of another cluster is there."""
        return self.targets.get(address)


NO_ROUTES = RouteTable.of(())
NO_TARGETS = TargetTable.of({})
