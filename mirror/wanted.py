"""What ought to be: for every exported Service of the other cluster a mirror here, or why there is none."""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cluster.objects import (
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSlice,
    Key,
    Metadata,
    Service,
    ServicePort,
    SliceEndpoint,
    Subset,
)
from mirror import marks
from mirror.copying import copied
from mirror.link import LinkSpec
from mirror.naming import mirror_key, remote_name
from mirror.observed import GatewayAddress, Observed
from mirror.ownership import may_write_over


@dataclass(frozen=True, slots=True)
class Mirror:
    """What stands for one remote Service."""

    service: Service
    endpoints: Endpoints
    slices: tuple[EndpointSlice, ...]

    @property
    def key(self) -> Key:
        return self.service.metadata.key


@dataclass(frozen=True, slots=True)
class Unmirrored:
    """Why a remote Service that is exported has no mirror."""

    reason: str
    message: str


Desired = Mapping[Key, Mirror | Unmirrored]
"""By the remote Service."""


def wanted(observed: Observed) -> Desired:
    """What *observed* calls for, for every remote Service that the Link's selector chooses."""
    desired: dict[Key, Mirror | Unmirrored] = {}
    new: list[Key] = []
    for key in sorted(observed.remote.services):
        service = observed.remote.services[key]
        if not is_mirrored(service, observed.link):
            continue
        found = _wanted(service, observed)
        desired[key] = found
        if isinstance(found, Mirror) and found.key not in observed.local.services:
            new.append(key)
    mirrors = sum(isinstance(found, Mirror) for found in desired.values())
    for key in new[max(0, len(new) - max(0, mirrors - observed.most)) :]:
        desired[key] = Unmirrored(
            "Error", f"Link {observed.link.name} may have {observed.most} mirrors and has them"
        )
    return desired


def is_mirrored(service: Service, link: LinkSpec) -> bool:
    """Whether *link* makes a mirror of *service* that leads through the gateway."""
    labels = service.metadata.labels
    namespaces = link.namespaces
    return (
        bool(link.gateways)
        and link.selector.chooses(labels)
        and not link.discovery_selector.chooses(labels)
        and (not namespaces or service.metadata.namespace in namespaces)
    )


def _wanted(service: Service, observed: Observed) -> Mirror | Unmirrored:
    link, local = observed.link, observed.local
    if (mistake := _unfit(service)) is not None:
        return Unmirrored("InvalidService", mistake)
    if service.metadata.namespace not in local.namespaces:
        return Unmirrored("MissingNamespace", "Namespace does not exist")
    key = mirror_key(service.metadata.key, link.cluster)
    mirror = _mirror(service, key, observed)
    standing: tuple[tuple[str, Service | Endpoints | None, Service | Endpoints], ...] = (
        ("Service", local.services.get(key), mirror.service),
        ("Endpoints", local.endpoints.get(key), mirror.endpoints),
    )
    for kind, there, ours in standing:
        if there is not None and not may_write_over(there.metadata, ours.metadata, observed.others):
            return Unmirrored("Conflict", f"{kind} {key} exists and was not made by Link {link.name}")
    return mirror


def _unfit(service: Service) -> str | None:
    if service.metadata.labels.get(marks.MIRRORED_SERVICE) == "true":
        return "the service is itself a mirror"
    if service.type == "ExternalName":
        return "a service of type ExternalName leads out of its cluster"
    if not service.ports:
        return "object spec has no exposed ports"
    return None


def _mirror(service: Service, key: Key, observed: Observed) -> Mirror:
    link, remote = observed.link, service.metadata
    labels = {
        marks.MIRRORED_SERVICE: "true",
        marks.CLUSTER_NAME: link.cluster,
        marks.LINK_UID: link.uid,
    }
    copied_labels = copied(remote.labels, excluded=link.excluded_labels, wanted=link.copied_keys)
    annotations = {marks.REMOTE_NAME: remote_name(remote.key, link.domain)}
    identified = {
        **annotations,
        **({marks.GATEWAY_IDENTITY: link.gateway_identity} if link.gateway_identity else {}),
    }
    made = Service(
        Metadata(
            name=key.name,
            namespace=key.namespace,
            labels={**copied_labels, **labels},
            annotations={
                **copied(remote.annotations, excluded=link.excluded_annotations, wanted=link.copied_keys),
                **annotations,
                marks.REMOTE_VERSION: remote.resource_version,
            },
        ),
        ports=tuple(map(_service_port, service.ports)),
    )
    standing = observed.local.endpoints.get(key)
    gateway = _judged(observed.gateway, standing) if remote.key in observed.remote.ready else ()
    ports = tuple(EndpointPort(link.gateway_port, port.name, port.protocol) for port in service.ports)
    endpoints = Endpoints(
        Metadata(
            name=key.name,
            namespace=key.namespace,
            labels={**copied_labels, **labels, marks.SKIP_MIRROR: "true"},
            annotations=identified,
        ),
        tuple(_subsets(gateway, ports)),
    )
    families = sorted({_family(address.ip) for address in observed.gateway})
    slices = tuple(_slice(family, key, labels, identified, gateway, ports) for family in families)
    return Mirror(made, endpoints, slices)


def _service_port(port: ServicePort) -> ServicePort:
    """As over there; the target port said, as an API server would add it."""
    return ServicePort(port.port, port.name, port.protocol, port.target_port or port.port, port.app_protocol)


def _judged(gateway: Iterable[GatewayAddress], standing: Endpoints | None) -> tuple[tuple[str, bool], ...]:
    """Each address and whether it is ready. Without a verdict it stays what it is; a new one is not."""
    subsets = standing.subsets if standing is not None else ()
    ready = {address.ip for subset in subsets for address in subset.addresses}
    return tuple(
        (address.ip, address.ip in ready if address.alive is None else address.alive) for address in gateway
    )


def _subsets(gateway: tuple[tuple[str, bool], ...], ports: tuple[EndpointPort, ...]) -> Iterator[Subset]:
    if gateway:
        yield Subset(
            addresses=tuple(EndpointAddress(ip) for ip, ready in gateway if ready),
            not_ready_addresses=tuple(EndpointAddress(ip) for ip, ready in gateway if not ready),
            ports=ports,
        )


def _slice(
    family: str,
    key: Key,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    gateway: tuple[tuple[str, bool], ...],
    ports: tuple[EndpointPort, ...],
) -> EndpointSlice:
    return EndpointSlice(
        Metadata(
            name=f"{key.name}-{family.lower()}",
            namespace=key.namespace,
            labels={**labels, marks.SLICE_SERVICE: key.name, marks.SLICE_MANAGER: marks.OUR_SLICES},
            annotations=annotations,
        ),
        address_type=family,
        endpoints=tuple(
            SliceEndpoint((ip,), ready=ready, serving=ready, terminating=False)
            for ip, ready in gateway
            if _family(ip) == family
        ),
        ports=ports,
    )


def _family(ip: str) -> str:
    return f"IPv{ipaddress.ip_address(ip).version}"
