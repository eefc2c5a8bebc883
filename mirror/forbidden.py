"""Addresses that are nobody's backend because of whose they are: the nodes' and the API server's. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from cluster.objects import EndpointSlice, Key, Service
from process.address import is_ip, plain

API_SERVER = Key("default", "kubernetes")
"""The Service that leads to it, in every cluster."""


@dataclass(frozen=True, slots=True)
class Forbidden:
    """Whoever may write EndpointSlices names addresses; behind these is the cluster itself."""

    nodes: frozenset[str] = frozenset()
    api_server: frozenset[str] = frozenset()
    """Both in the form of `plain`."""

    @classmethod
    def of(cls, nodes: frozenset[str], services: Iterable[Service], slices: Iterable[EndpointSlice]) -> Self:
        """Those of a cluster that has these Services and slices, and *nodes* at these addresses."""
        ours = [service for service in services if service.metadata.key == API_SERVER]
        asked = [ip for service in ours for ip in (service.cluster_ip, *service.cluster_ips)]
        asked += [
            ip
            for part in slices
            if Key(part.metadata.namespace, part.service) == API_SERVER
            for endpoint in part.endpoints
            for ip in endpoint.addresses
        ]
        return cls(nodes, frozenset(plain(ip) for ip in asked if is_ip(ip)))

    def addresses(self, *, listed: bool) -> frozenset[str]:
        """All that `whose` says no to."""
        return self.api_server if listed else self.api_server | self.nodes

    def whose(self, ip: str, *, listed: bool) -> str | None:
        """
        Whose address *ip* is, if it may not be a backend; else None.

        Pods in the network of their node have its address: a Service that somebody has *listed* may be
        there. The API server is out of reach for those too.
        """
        address = plain(ip)
        if address in self.api_server:
            return "an address of the API server"
        if address in self.nodes and not listed:
            return "the address of a node (only a Service listed by --allow-services may be there)"
        return None
