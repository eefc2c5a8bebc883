"""Where a Service's pods are: Endpoints and EndpointSlices."""

from dataclasses import dataclass
from typing import Self

from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS
from cluster.metadata import Metadata, Raw, head
from cluster.reading import Fields, present


@dataclass(frozen=True, slots=True)
class Reference:
    """What an endpoint belongs to."""

    kind: str
    namespace: str = ""
    name: str = ""
    uid: str = ""

    @classmethod
    def read(cls, fields: Fields) -> Self | None:
        """None where there is no reference."""
        if not fields.has("kind"):
            return None
        return cls(fields.required("kind"), fields.text("namespace"), fields.text("name"), fields.text("uid"))

    def to_dict(self) -> Raw:
        return present(kind=self.kind, namespace=self.namespace, name=self.name, uid=self.uid)


@dataclass(frozen=True, slots=True)
class EndpointPort:
    """A port of Endpoints or of an EndpointSlice."""

    port: int | None
    """None in a slice: every port."""

    name: str = ""
    protocol: str = "TCP"
    app_protocol: str = ""

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(
            port=fields.port("port") if fields.has("port") else None,
            name=fields.text("name"),
            protocol=fields.text("protocol", "TCP"),
            app_protocol=fields.text("appProtocol"),
        )

    def to_dict(self) -> Raw:
        return present(name=self.name, port=self.port, protocol=self.protocol, appProtocol=self.app_protocol)


@dataclass(frozen=True, slots=True)
class EndpointAddress:
    ip: str
    hostname: str = ""
    node_name: str = ""
    target: Reference | None = None

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(
            ip=fields.required("ip"),
            hostname=fields.text("hostname"),
            node_name=fields.text("nodeName"),
            target=Reference.read(fields.below("targetRef")),
        )

    def to_dict(self) -> Raw:
        return present(
            ip=self.ip,
            hostname=self.hostname,
            nodeName=self.node_name,
            targetRef=self.target.to_dict() if self.target else None,
        )


@dataclass(frozen=True, slots=True)
class Subset:
    addresses: tuple[EndpointAddress, ...] = ()
    not_ready_addresses: tuple[EndpointAddress, ...] = ()
    ports: tuple[EndpointPort, ...] = ()

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(
            addresses=fields.each("addresses", EndpointAddress.read),
            not_ready_addresses=fields.each("notReadyAddresses", EndpointAddress.read),
            ports=fields.each("ports", EndpointPort.read),
        )

    def to_dict(self) -> Raw:
        return present(
            addresses=[address.to_dict() for address in self.addresses],
            notReadyAddresses=[address.to_dict() for address in self.not_ready_addresses],
            ports=[port.to_dict() for port in self.ports],
        )


@dataclass(frozen=True, slots=True)
class Endpoints:
    metadata: Metadata
    subsets: tuple[Subset, ...] = ()

    @classmethod
    def from_dict(cls, raw: object) -> Self:
        return cls(Metadata.of(raw), Fields.of(raw).each("subsets", Subset.read))

    def to_dict(self) -> Raw:
        """`subsets` is always said: in a merge patch an empty list empties, an absent one keeps."""
        return {**head(ENDPOINTS, self.metadata), "subsets": [subset.to_dict() for subset in self.subsets]}


@dataclass(frozen=True, slots=True)
class SliceEndpoint:
    """One endpoint of a slice. Conditions are None where nothing is said; `is_ready` judges."""

    addresses: tuple[str, ...]
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None
    target: Reference | None = None
    zone: str = ""
    for_zones: tuple[str, ...] = ()
    """Whose callers it is meant for (topology-aware routing); () where nothing is said."""
    node_name: str = ""
    hostname: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether it takes new connections; not saying counts as ready, as the API has it."""
        return self.ready is not False

    @classmethod
    def read(cls, fields: Fields) -> Self:
        conditions = fields.below("conditions")
        return cls(
            addresses=fields.texts("addresses"),
            ready=conditions.flag("ready"),
            serving=conditions.flag("serving"),
            terminating=conditions.flag("terminating"),
            target=Reference.read(fields.below("targetRef")),
            zone=fields.text("zone"),
            for_zones=fields.below("hints").each("forZones", lambda hint: hint.required("name")),
            node_name=fields.text("nodeName"),
            hostname=fields.text("hostname"),
        )

    def to_dict(self) -> Raw:
        return {
            "addresses": list(self.addresses),
            **present(
                conditions=present(ready=self.ready, serving=self.serving, terminating=self.terminating),
                targetRef=self.target.to_dict() if self.target else None,
                zone=self.zone,
                hints=present(forZones=[{"name": zone} for zone in self.for_zones]),
                nodeName=self.node_name,
                hostname=self.hostname,
            ),
        }


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    metadata: Metadata
    address_type: str
    endpoints: tuple[SliceEndpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()

    @property
    def service(self) -> str:
        """The name of the Service it belongs to; "" if it says none."""
        return self.metadata.labels.get("kubernetes.io/service-name", "")

    @classmethod
    def from_dict(cls, raw: object) -> Self:
        fields = Fields.of(raw)
        return cls(
            metadata=Metadata.of(raw),
            address_type=fields.required("addressType"),
            endpoints=fields.each("endpoints", SliceEndpoint.read),
            ports=fields.each("ports", EndpointPort.read),
        )

    def to_dict(self) -> Raw:
        return {
            **head(ENDPOINT_SLICE, self.metadata),
            "addressType": self.address_type,
            "endpoints": [endpoint.to_dict() for endpoint in self.endpoints],
            "ports": [port.to_dict() for port in self.ports],
        }
