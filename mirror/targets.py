"""From the mirrors in a cluster to what its outbound proxy offers: who is behind which address."""

from collections.abc import Iterable, Iterator, Mapping

from cluster.objects import Endpoints, Key, Service, ServicePort
from gateway.routes import Target, TargetTable
from mirror import marks
from mirror.link import LinkSpec
from mirror.naming import mirror_key, remote_key
from process.address import Address, is_ip


def targets(
    services: Iterable[Service], endpoints: Iterable[Endpoints], links: Iterable[LinkSpec]
) -> TargetTable:
    """
    A target for each port of each mirror among *services* whose Link is there.

    Addresses come from the mirror's Endpoints, the identity that has to be proven at them from the
    Link: whoever may write Endpoints in some namespace does not choose whom we believe.
    """
    by_cluster = {link.cluster: link for link in links}
    by_key = {found.metadata.key: found for found in endpoints}
    found: dict[Address, Target] = {}
    for service in sorted(services, key=lambda service: service.metadata.key):
        link = by_cluster.get(service.metadata.labels.get(marks.CLUSTER_NAME, ""))
        if link is not None and is_ip(service.cluster_ip):
            found |= _targets(service, by_key.get(service.metadata.key), link)
    return TargetTable.of(found)


def _targets(service: Service, endpoints: Endpoints | None, link: LinkSpec) -> Mapping[Address, Target]:
    """None for what does not stand for a Service of that Link's cluster."""
    metadata = service.metadata
    name = metadata.annotations.get(marks.REMOTE_NAME, "")
    remote = remote_key(name)
    if metadata.labels.get(marks.MIRRORED_SERVICE) != "true" or not link.gateway_identity or remote is None:
        return {}
    if mirror_key(Key(metadata.namespace, remote.name), link.cluster) != metadata.key:
        return {}
    return {
        Address(service.cluster_ip, port.port): Target(
            service=name,
            port=port.port,
            gateways=tuple(sorted(_gateways(endpoints, port))),
            gateway_identity=link.gateway_identity,
            cluster=link.cluster,
            protocol=link.protocol,
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
