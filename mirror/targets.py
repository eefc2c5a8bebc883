"""From the mirrors in a cluster to what its outbound proxy offers: who is behind which address."""

from collections.abc import Iterable, Iterator, Mapping

from cluster.objects import Endpoints, Key, Service, ServicePort
from gateway.routes import Target, TargetTable
from mirror import marks
from mirror.link import Door
from mirror.naming import mirror_key, remote_key
from process.address import Address, is_ip


def targets(
    services: Iterable[Service], endpoints: Iterable[Endpoints], doors: Mapping[str, Door]
) -> TargetTable:
    """
    A target for each port of each mirror among *services* that leads through one of *doors*.

    Those are by the uid of their Links: a mirror is of the Link whose uid it bears, since two Links may
    call their clusters the same. Addresses come from the mirror's Endpoints, the identity that has to be
    proven at them from the Link: whoever may write Endpoints in some namespace does not choose whom we
    believe.
    """
    by_key = {found.metadata.key: found for found in endpoints}
    found: dict[Address, Target] = {}
    for service in sorted(services, key=lambda service: service.metadata.key):
        door = doors.get(service.metadata.labels.get(marks.LINK_UID, ""))
        if door is not None and is_ip(service.cluster_ip):
            found |= _targets(service, by_key.get(service.metadata.key), door)
    return TargetTable.of(found)


def _targets(service: Service, endpoints: Endpoints | None, door: Door) -> Mapping[Address, Target]:
    """None for what does not stand for a Service of that Link's cluster."""
    metadata = service.metadata
    name = metadata.annotations.get(marks.REMOTE_NAME, "")
    remote = remote_key(name)
    if metadata.labels.get(marks.MIRRORED_SERVICE) != "true" or not door.gateway_identity or remote is None:
        return {}
    if mirror_key(Key(metadata.namespace, remote.name), door.cluster) != metadata.key:
        return {}
    return {
        Address(service.cluster_ip, port.port): Target(
            service=name,
            port=port.port,
            gateways=tuple(sorted(_gateways(endpoints, port))),
            gateway_identity=door.gateway_identity,
            cluster=door.cluster,
            protocol=door.protocol,
        )
        for port in service.ports
        if port.protocol == "TCP"
    }


def _gateways(endpoints: Endpoints | None, port: ServicePort) -> Iterator[Address]:
    """The gateway's addresses that are alive, for *port*; none that were not put there by a mirror."""
    if endpoints is None or endpoints.metadata.labels.get(marks.MIRRORED_SERVICE) != "true":
        return
    for subset in endpoints.subsets:
        for candidate in subset.ports:
            if candidate.name == port.name and candidate.protocol == port.protocol and candidate.port:
                yield from (Address(address.ip, candidate.port) for address in subset.addresses)
