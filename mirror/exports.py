"""
From what a cluster holds to what its gateway lets in: the exported Services, and their ready endpoints.

A peer names a service, never an address. But whoever may write EndpointSlices names addresses, so an
endpoint counts only if it is a Pod of the Service's own namespace, at an address where a pod can be.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from cluster.kinds import POD
from cluster.objects import EndpointPort, EndpointSlice, Key, Service, ServicePort, SliceEndpoint
from gateway.routes import Route, RouteTable
from mirror import marks
from mirror.forbidden import API_SERVER, Forbidden
from mirror.naming import remote_name
from process.address import Address, is_ip, refused_range

EXAMPLE = "web.test.serviceaccount.identity.jackstay.cluster.local"
LONGEST_QUOTED = 120


Refused = Mapping[Key, Mapping[str, tuple[str, ...]]]
"""Addresses that may not be backends, by Service and by why."""


@dataclass(frozen=True, slots=True)
class Exports:
    """What a cluster exports."""

    routes: RouteTable
    refused: Refused
    """Of the ready endpoints of exported Services."""


def exports(
    services: Iterable[Service],
    slices: Iterable[EndpointSlice],
    *,
    cluster_domain: str,
    own_namespace: str,
    allow_loopback: bool = False,
    forbidden: Forbidden = Forbidden(),  # noqa: B008  # frozen
    listed: AbstractSet[Key] = frozenset(),
    zone: str = "",
) -> Exports:
    """
    The routes of a gateway, and which endpoints are in none of them.

    *listed* are Services that are exported, if labelled so, although they are of a sort that never is
    otherwise. *zone* is the gateway's own: endpoints in it are preferred. "" if that is not known.
    """
    exported = {service.metadata.key: service for service in services if is_exported(service)}
    parts: dict[Key, list[EndpointSlice]] = {}
    for part in slices:
        parts.setdefault(Key(part.metadata.namespace, part.service), []).append(part)
    found: list[Route] = []
    refused: dict[Key, Mapping[str, tuple[str, ...]]] = {}
    for key, service in sorted(exported.items()):
        if key not in listed and not is_exportable(service, own_namespace=own_namespace):
            continue
        judge = _Judge(key.namespace, key in listed, allow_loopback, forbidden)
        found += [
            _route(
                service,
                port,
                cluster_domain,
                judge.backends(port, parts.get(key, ())),
                zone,
                listed=key in listed,
            )
            for port in service.ports
            if port.protocol == "TCP"
        ]
        if judge.refused:
            refused[key] = {why: tuple(sorted(ips)) for why, ips in sorted(judge.refused.items())}
    never, never_listed = (forbidden.addresses(listed=among) for among in (False, True))
    return Exports(RouteTable.of(found, never=never, never_listed=never_listed), refused)


def is_exported(service: Service) -> bool:
    """Whether *service* is labelled to be reached through the gateway; `remote-discovery` is not."""
    labels = service.metadata.labels
    return labels.get(marks.EXPORTED) == "true" or labels.get(marks.FEDERATED) == "member"


def is_exportable(service: Service, *, own_namespace: str) -> bool:
    """Whether *service* is of a sort that may be exported: pods of its own, and not part of the system."""
    return (
        bool(service.selector)
        and service.type != "ExternalName"
        and service.metadata.key != API_SERVER
        and service.metadata.namespace != own_namespace
        and marks.MIRRORED_SERVICE not in service.metadata.labels
    )


def allowed_identities(annotations: Mapping[str, str]) -> tuple[str, ...] | None:
    """Who may call; None is everybody under the anchors. One entry that is no identity: nobody."""
    text = annotations.get(marks.ALLOW_IDENTITIES)
    if text is None:
        return None
    entries = _entries(text)
    return entries if all(map(_is_identity, entries)) else ()


def shut_by_mistake(service: Service) -> str | None:
    """
    Why nobody may call *service*, if it is exported and its annotation is no list of identities.

    An empty one is no mistake: it says nobody.
    """
    text = service.metadata.annotations.get(marks.ALLOW_IDENTITIES, "")
    if not text.strip() or not is_exported(service):
        return None
    wrong = next((entry for entry in _entries(text) if not _is_identity(entry)), None)
    if wrong is None:
        return None
    return (
        f"nobody may call it: {marks.ALLOW_IDENTITIES} is {_quoted(text)}, in which {_quoted(wrong)} is no "
        f"identity; valid are {EXAMPLE}, *.{EXAMPLE.partition('.')[2]} and several with commas between them"
    )


def _entries(text: str) -> tuple[str, ...]:
    return tuple(entry.strip().lower() for entry in text.split(","))


def _is_identity(entry: str) -> bool:
    return _IDENTITY.fullmatch(entry) is not None and len(entry) <= 253


def _quoted(text: str) -> str:
    """*text*, which whoever may edit a Service chose, in a form and length fit for a line."""
    return repr(text if len(text) <= LONGEST_QUOTED else f"{text[:LONGEST_QUOTED]}…")


def _route(
    service: Service,
    port: ServicePort,
    domain: str,
    backends: Mapping[Address, SliceEndpoint],
    zone: str,
    *,
    listed: bool,
) -> Route:
    annotations = service.metadata.annotations
    return Route(
        service=remote_name(service.metadata.key, domain).lower(),
        port=port.port,
        backends=tuple(sorted(backends)),
        allow=allowed_identities(annotations),
        accept_bare_fin=annotations.get(marks.ACCEPT_BARE_FIN) == "true",
        proxy_protocol=annotations.get(marks.PROXY_PROTOCOL) == "v2",
        near=_near(backends, zone),
        sticky=service.sticky,
        listed=listed,
    )


def _near(backends: Mapping[Address, SliceEndpoint], zone: str) -> tuple[Address, ...]:
    """
    The backends that callers in *zone* get first: those meant for it, else those in it.

    What endpoints are meant for (`hints.forZones`) counts where all of them say it and one says *zone*,
    as kube-proxy has it: otherwise the hints are of a moment that is over.
    """
    if not zone:
        return ()
    meant = [backend for backend, endpoint in backends.items() if zone in endpoint.for_zones]
    if not meant or not all(endpoint.for_zones for endpoint in backends.values()):
        meant = [backend for backend, endpoint in backends.items() if endpoint.zone == zone]
    return tuple(sorted(meant))


class _Judge:
    """Decides which endpoints of one Service are backends, and keeps why others are not."""

    def __init__(self, namespace: str, listed: bool, allow_loopback: bool, forbidden: Forbidden) -> None:  # noqa: FBT001  # as they come
        self._namespace = namespace
        self._listed = listed
        self._allow_loopback = allow_loopback
        self._forbidden = forbidden
        self.refused: dict[str, set[str]] = {}

    def backends(self, port: ServicePort, parts: Iterable[EndpointSlice]) -> Mapping[Address, SliceEndpoint]:
        """The ready endpoints that may be backends."""
        return {
            Address(ip, number): endpoint
            for part in parts
            for number in _numbers(port, part.ports)
            for endpoint in part.endpoints
            if endpoint.is_ready
            for ip in endpoint.addresses
            if self._admits(endpoint, ip)
        }

    def _admits(self, endpoint: SliceEndpoint, ip: str) -> bool:
        why = self._why_not(endpoint, ip)
        if why is not None:
            self.refused.setdefault(why, set()).add(ip)
        return why is None

    def _why_not(self, endpoint: SliceEndpoint, ip: str) -> str | None:
        if not self._listed and not _is_pod_of(endpoint, self._namespace):
            return "no Pod of the Service's namespace"
        if not is_ip(ip):
            return "no IP address"
        return refused_range(ip, allow_loopback=self._allow_loopback) or self._forbidden.whose(
            ip, listed=self._listed
        )


def _numbers(port: ServicePort, ports: Iterable[EndpointPort]) -> Iterator[int]:
    """Where a slice's endpoints listen for *port*: the two are the same if they have one name."""
    for candidate in ports:
        if candidate.name == port.name and candidate.protocol == port.protocol and candidate.port:
            yield candidate.port


def _is_pod_of(endpoint: SliceEndpoint, namespace: str) -> bool:
    target = endpoint.target
    return target is not None and target.kind == POD.kind and target.namespace == namespace


_IDENTITY = re.compile(r"(?:\*\.)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+")
