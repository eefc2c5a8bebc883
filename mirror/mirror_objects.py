"""What a mirror is made of, and what of it somebody else's objects stand in the way of. Pure."""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

from cluster.metadata import OwnerReference
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
from mirror import marks, shown
from mirror.copying import copied
from mirror.link import LinkSpec
from mirror.naming import FAMILIES, remote_name, slice_key
from mirror.observed import GatewayAddress, Local, Object, Observed
from mirror.ownership import may_write_over


@dataclass(frozen=True, slots=True)
class Mirror:
    """What stands for one remote Service."""

    service: Service
    endpoints: Endpoints | None
    """None where somebody else's stand."""

    slices: tuple[EndpointSlice, ...]
    """Without those in whose place somebody else's stand."""

    conflict: str = ""
    """What of somebody else's stands in place of a part; "" if nothing does."""

    @property
    def key(self) -> Key:
        return self.service.metadata.key


def make(service: Service, key: Key, made_before: Service | None, observed: Observed) -> Mirror:
    """The mirror of *service* at *key*, where *made_before* stands."""
    link, remote = observed.link, service.metadata
    owners = (owner(made_before),) if made_before is not None else ()
    labels = {
        marks.MIRRORED_SERVICE: "true",
        marks.CLUSTER_NAME: link.cluster,
        marks.LINK_UID: link.uid,
    }
    copied_labels = copied(remote.labels, excluded=link.excluded_labels, wanted=link.copied_keys)
    annotations = {marks.REMOTE_NAME: remote_name(remote.key, link.domain)}
    made = Service(
        Metadata(
            name=key.name,
            namespace=key.namespace,
            labels={**copied_labels, **labels},
            annotations={
                **copied(remote.annotations, excluded=link.excluded_annotations, wanted=link.copied_keys),
                **annotations,
                marks.REMOTE_VERSION: remote.resource_version,
                **({marks.REMOTE_UID: cluster} if (cluster := observed.remote.cluster_uid) else {}),
            },
        ),
        ports=tuple(map(_service_port, service.ports)),
    )
    local = observed.local
    taken = is_theirs(local.endpoints.get(key), made.metadata, observed)
    ready = _ready_in_slices(local, key) if taken else _ready_in_endpoints(local, key)
    judged, endpoints = _judged(observed.gateway, ready), observed.remote.ready.get(remote.key, 0)
    identified = {
        **annotations,
        **({marks.GATEWAY_IDENTITY: link.gateway_identity} if link.gateway_identity else {}),
        **shown.annotations(judged, endpoints, _said_before(key, made.metadata, observed), observed.now),
    }
    metadata = Metadata(
        name=key.name,
        namespace=key.namespace,
        labels={**copied_labels, **labels, marks.SKIP_MIRROR: "true"},
        annotations=identified,
        owner_references=owners,
    )
    gateway = tuple((ip, ready) for ip, ready, _ in judged) if endpoints else ()
    ports = tuple(EndpointPort(link.gateway_port, port.name, port.protocol) for port in service.ports)
    families = sorted({_family(address.ip) for address in observed.gateway})
    slices = [_slice(family, key, labels, identified, owners, gateway, ports) for family in families]
    standing = [local.slices.get(part.metadata.key) for part in slices]
    theirs = [
        part
        for part, there in zip(slices, standing, strict=True)
        if is_theirs(there, part.metadata, observed)
    ]
    in_the_way = conflict("Endpoints", key, link) if taken else ""
    if theirs and not taken:
        in_the_way = conflict("EndpointSlice", theirs[0].metadata.key, link)
    return Mirror(
        made,
        None if taken else Endpoints(metadata, tuple(_subsets(gateway, ports))),
        tuple(part for part in slices if part not in theirs),
        in_the_way,
    )


def owner(service: Service) -> OwnerReference:
    """Whose all else of a mirror is: where *service* goes Kubernetes removes it too, whatever it bears."""
    return OwnerReference("v1", "Service", service.metadata.name, service.metadata.uid)


def _service_port(port: ServicePort) -> ServicePort:
    """As over there; the target port said, as an API server would add it."""
    return ServicePort(port.port, port.name, port.protocol, port.target_port or port.port, port.app_protocol)


def _judged(gateway: Iterable[GatewayAddress], ready: Set[str]) -> tuple[shown.Verdict, ...]:
    """Each address and whether it is ready. Without a verdict it stays what it is; a new one is not."""
    return tuple(
        (address.ip, address.ip in ready if address.alive is None else address.alive, address.alive)
        for address in gateway
    )


def _said_before(mirror: Key, wanted: Metadata, observed: Observed) -> Mapping[str, str]:
    """The annotations of what stands behind *mirror*: what is somebody else's says nothing of it."""
    local = observed.local
    parts = (local.slices.get(slice_key(mirror, family)) for family in FAMILIES)
    standing = (local.endpoints.get(mirror), *parts)
    ours = (thing for thing in standing if thing is not None and not is_theirs(thing, wanted, observed))
    return next((thing.metadata.annotations for thing in ours), {})


def _ready_in_endpoints(local: Local, mirror: Key) -> frozenset[str]:
    standing = local.endpoints.get(mirror)
    subsets = standing.subsets if standing is not None else ()
    return frozenset(address.ip for subset in subsets for address in subset.addresses)


def _ready_in_slices(local: Local, mirror: Key) -> frozenset[str]:
    parts = (local.slices.get(slice_key(mirror, family)) for family in FAMILIES)
    endpoints = (endpoint for part in parts if part is not None for endpoint in part.endpoints)
    return frozenset(ip for endpoint in endpoints if endpoint.is_ready for ip in endpoint.addresses)


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
    owners: tuple[OwnerReference, ...],
    gateway: tuple[tuple[str, bool], ...],
    ports: tuple[EndpointPort, ...],
) -> EndpointSlice:
    return EndpointSlice(
        Metadata(
            name=slice_key(key, family).name,
            namespace=key.namespace,
            labels={**labels, marks.SLICE_SERVICE: key.name, marks.SLICE_MANAGER: marks.OUR_SLICES},
            annotations=annotations,
            owner_references=owners,
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


def is_theirs(standing: Object | None, wanted: Metadata, observed: Observed) -> bool:
    """Whether what stands where *wanted* is to be is neither ours nor nobody's."""
    return standing is not None and not may_write_over(standing.metadata, wanted, observed.others)


def conflict(kind: str, key: Key, link: LinkSpec) -> str:
    return f"{kind} {key} exists and was not made by Link {link.name}"
