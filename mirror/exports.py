"""
From what a cluster holds to what its gateway lets in: the exported Services, and their ready endpoints.

A peer names a service, never an address. But whoever may write EndpointSlices names addresses, so an
endpoint counts only if it is a Pod of the Service's own namespace, at an address where a pod can be.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from cluster.kinds import POD
from cluster.objects import EndpointPort, EndpointSlice, Key, Service, ServicePort, SliceEndpoint
from gateway.routes import Route, RouteTable
from mirror import marks
from mirror.naming import remote_name
from process.address import Address, is_ip, refused_range

EXAMPLE = "web.test.serviceaccount.identity.jackstay.cluster.local"
LONGEST_QUOTED = 120


def routes(
    services: Iterable[Service],
    slices: Iterable[EndpointSlice],
    *,
    cluster_domain: str,
    own_namespace: str,
    allow_loopback: bool = False,
    forbidden: AbstractSet[str] = frozenset(),
    listed: AbstractSet[Key] = frozenset(),
    zone: str = "",
) -> RouteTable:
    """
    The routes of a gateway.

    *forbidden* are addresses that are nobody's backend: of nodes, of the API server. *listed* are
    Services that are exported, if labelled so, although they are of a sort that never is otherwise.
    *zone* is the gateway's own: endpoints in it are preferred. "" if that is not known.
    """
    exported = {service.metadata.key: service for service in services if is_exported(service)}
    chosen = {
        key: service
        for key, service in exported.items()
        if key in listed or is_exportable(service, own_namespace=own_namespace)
    }
    parts: dict[Key, list[EndpointSlice]] = {}
    for part in slices:
        parts.setdefault(Key(part.metadata.namespace, part.service), []).append(part)
    return RouteTable.of(
        _route(
            service,
            port,
            cluster_domain,
            _backends(
                service.metadata.namespace,
                port,
                parts.get(key, ()),
                any_target=key in listed,
                allow_loopback=allow_loopback,
                forbidden=forbidden,
            ),
            zone,
        )
        for key, service in sorted(chosen.items())
        for port in service.ports
        if port.protocol == "TCP"
    )


def is_exported(service: Service) -> bool:
    """Whether *service* is labelled to be reached through the gateway; `remote-discovery` is not."""
    labels = service.metadata.labels
    return labels.get(marks.EXPORTED) == "true" or labels.get(marks.FEDERATED) == "member"


def is_exportable(service: Service, *, own_namespace: str) -> bool:
    """Whether *service* is of a sort that may be exported: pods of its own, and not part of the system."""
    return (
        bool(service.selector)
        and service.type != "ExternalName"
        and service.metadata.key != Key("default", "kubernetes")
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
    service: Service, port: ServicePort, domain: str, zones: Mapping[Address, str], own_zone: str
) -> Route:
    annotations = service.metadata.annotations
    return Route(
        service=remote_name(service.metadata.key, domain).lower(),
        port=port.port,
        backends=tuple(sorted(zones)),
        allow=allowed_identities(annotations),
        accept_bare_fin=annotations.get(marks.ACCEPT_BARE_FIN) == "true",
        proxy_protocol=annotations.get(marks.PROXY_PROTOCOL) == "v2",
        near=tuple(sorted(backend for backend, zone in zones.items() if own_zone and zone == own_zone)),
        sticky=service.sticky,
    )


def _backends(
    namespace: str,
    port: ServicePort,
    parts: Iterable[EndpointSlice],
    *,
    any_target: bool,
    allow_loopback: bool,
    forbidden: AbstractSet[str],
) -> Mapping[Address, str]:
    """The ready endpoints, each with its zone; "" where that is not known."""
    return {
        Address(ip, number): endpoint.zone
        for part in parts
        for number in _numbers(port, part.ports)
        for endpoint in part.endpoints
        if endpoint.is_ready and (any_target or _is_pod_of(endpoint, namespace))
        for ip in endpoint.addresses
        if ip not in forbidden and is_ip(ip) and refused_range(ip, allow_loopback=allow_loopback) is None
    }


def _numbers(port: ServicePort, ports: Iterable[EndpointPort]) -> Iterator[int]:
    """Where a slice's endpoints listen for *port*: the two are the same if they have one name."""
    for candidate in ports:
        if candidate.name == port.name and candidate.protocol == port.protocol and candidate.port:
            yield candidate.port


def _is_pod_of(endpoint: SliceEndpoint, namespace: str) -> bool:
    target = endpoint.target
    return target is not None and target.kind == POD.kind and target.namespace == namespace


_IDENTITY = re.compile(r"(?:\*\.)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+")
