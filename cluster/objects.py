"""
Objects of a cluster as values: `from_dict` at the door, `to_dict` on the way out.

Each holds what we use of its kind and nothing else: what is written back whole is what we made
ourselves; somebody else's object is patched.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from cluster.endpoints import (
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSlice,
    Reference,
    SliceEndpoint,
    Subset,
)
from cluster.kinds import LINK, NAMESPACE, SECRET, SERVICE
from cluster.metadata import Key, Metadata, OwnerReference, Raw, head, time_text
from cluster.reading import Fields, Malformed, present
from process.address import is_ip, plain

__all__ = [
    "EndpointAddress",
    "EndpointPort",
    "EndpointSlice",
    "Endpoints",
    "Key",
    "Link",
    "Malformed",
    "Metadata",
    "Namespace",
    "Node",
    "OwnerReference",
    "Raw",
    "Reference",
    "Secret",
    "Service",
    "ServicePort",
    "SliceEndpoint",
    "Subset",
    "time_text",
]


@dataclass(frozen=True, slots=True)
class Namespace:
    metadata: Metadata

    @classmethod
    def from_dict(cls, raw: object) -> Self:
        return cls(Metadata.of(raw))

    def to_dict(self) -> Raw:
        return head(NAMESPACE, self.metadata)


@dataclass(frozen=True, slots=True)
class Node:
    metadata: Metadata
    addresses: tuple[str, ...] = ()
    """Where it is: IP addresses, whatever their type, in the form of `plain`; its names are left out."""

    @classmethod
    def from_dict(cls, raw: object) -> Self:
        found = Fields.of(raw).below("status").each("addresses", lambda one: one.text("address"))
        return cls(Metadata.of(raw), tuple(plain(text) for text in found if is_ip(text)))


@dataclass(frozen=True, slots=True)
class ServicePort:
    port: int
    name: str = ""
    protocol: str = "TCP"
    target_port: int | str | None = None
    app_protocol: str = ""
    node_port: int = 0

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(
            port=fields.port("port"),
            name=fields.text("name"),
            protocol=fields.text("protocol", "TCP"),
            target_port=fields.number_or_text("targetPort"),
            app_protocol=fields.text("appProtocol"),
            node_port=fields.number("nodePort"),
        )

    def to_dict(self) -> Raw:
        return present(
            name=self.name,
            port=self.port,
            protocol=self.protocol,
            targetPort=self.target_port,
            appProtocol=self.app_protocol,
            nodePort=self.node_port or None,
        )


@dataclass(frozen=True, slots=True)
class Service:
    metadata: Metadata
    ports: tuple[ServicePort, ...] = ()
    cluster_ip: str = ""
    """"None" for a headless Service, "" where the server is to choose."""

    cluster_ips: tuple[str, ...] = field(default=(), compare=False)
    """One for each family, as the server has it; read, and never written."""

    type: str = "ClusterIP"
    selector: Mapping[str, str] = field(default_factory=dict)
    external_name: str = ""
    sticky: bool = False
    """Whether it is to bring a client to the same pod each time (sessionAffinity: ClientIP)."""

    ingress: tuple[str, ...] = ()
    """Addresses or host names at which a load balancer offers it."""

    @property
    def headless(self) -> bool:
        return self.cluster_ip == "None"

    @classmethod
    def from_dict(cls, raw: object) -> Self:
        fields = Fields.of(raw)
        spec = fields.below("spec")
        balancer = fields.below("status").below("loadBalancer")
        return cls(
            metadata=Metadata.of(raw),
            ports=spec.each("ports", ServicePort.read),
            cluster_ip=spec.text("clusterIP"),
            cluster_ips=spec.texts("clusterIPs"),
            type=spec.text("type", "ClusterIP"),
            selector=spec.pairs("selector"),
            external_name=spec.text("externalName"),
            sticky=spec.text("sessionAffinity") == "ClientIP",
            ingress=balancer.each("ingress", lambda at: at.text("ip") or at.required("hostname")),
        )

    def to_dict(self) -> Raw:
        """Without the status, which is not ours to write."""
        spec = present(
            type=self.type,
            clusterIP=self.cluster_ip,
            ports=[port.to_dict() for port in self.ports],
            selector=dict(self.selector),
            externalName=self.external_name,
            sessionAffinity="ClientIP" if self.sticky else "",
        )
        return {**head(SERVICE, self.metadata), "spec": spec}


@dataclass(frozen=True, slots=True)
class Secret:
    metadata: Metadata
    type: str = "Opaque"
    data: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @classmethod
    def from_dict(cls, raw: object) -> Self:
        fields = Fields.of(raw)
        encoded = fields.pairs("data")
        data = {name: _decoded(name, text) for name, text in encoded.items()}
        return cls(Metadata.of(raw), fields.text("type", "Opaque"), data)

    def to_dict(self) -> Raw:
        data = {name: base64.b64encode(value).decode() for name, value in self.data.items()}
        return {**head(SECRET, self.metadata), "type": self.type, "data": data}


def _decoded(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        # No cause: its text could carry the value.
        raise Malformed(f"data[{name}] is not base64") from None


@dataclass(frozen=True, slots=True)
class Link:
    """A link to another cluster, as it stands; what its spec means is judged elsewhere."""

    metadata: Metadata
    spec: Mapping[str, Any] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, raw: object) -> Self:
        fields = Fields.of(raw)
        return cls(Metadata.of(raw), fields.below("spec").raw, fields.below("status").raw)

    def to_dict(self) -> Raw:
        return {**head(LINK, self.metadata), "spec": dict(self.spec), "status": dict(self.status)}
