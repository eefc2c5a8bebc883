"""
A Link as we use it: every field read, its mistakes told all at once.

An API server takes any text in a Link, ports and durations included. What it means is decided here and
nowhere else; a Link with a mistake changes nothing, rather than something by half.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from cluster.objects import Link
from cluster.reading import Fields, Malformed
from mirror import marks
from mirror.copying import Patterns
from mirror.link_fields import count, duration, listed, path, port
from mirror.selectors import NOTHING, Selector
from process.address import is_ip, refused_range

T = TypeVar("T")

Protocol = Literal["jackstay/1", "transport.l5d.io/v1"]


class InvalidLink(Exception):
    """A Link that cannot be used; `mistakes` are all that is wrong with it."""

    reason = "invalid_link"

    def __init__(self, mistakes: tuple[str, ...]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """How a gateway is asked whether it lives."""

    path: str = "/ready"
    port: int = 4191
    period: float = 3.0
    timeout: float = 30.0
    threshold: int = 3

    @property
    def patience(self) -> float:
        """How long one probe may take: never longer than until the next one."""
        return min(self.timeout, self.period)


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """A Link without mistakes."""

    name: str
    namespace: str
    uid: str
    cluster: str
    """What the other cluster is called here: the end of the mirrors' names."""

    domain: str
    """The other cluster's DNS zone."""

    credentials: str
    """The Secret, beside the Link, that holds the kubeconfig."""

    gateways: tuple[str, ...] = ()
    """Addresses and names, as written, each once; () for a link without gateway."""

    gateway_port: int = 4143
    gateway_identity: str = ""
    probe: ProbeSpec | None = None
    """None: not probed, and taken to be alive."""

    selector: Selector = NOTHING
    discovery_selector: Selector = NOTHING
    federated_selector: Selector = NOTHING
    excluded_labels: Patterns = ()
    excluded_annotations: Patterns = ()
    copied_keys: Patterns = ()
    namespaces: frozenset[str] = frozenset()
    """The only ones that get mirrors; empty: all."""

    protocol: Protocol = "jackstay/1"
    remote_uid: str = ""
    """The uid of the cluster that it led to when it was first read; "" if it never was."""


@dataclass(frozen=True, slots=True)
class Door:
    """Of a Link what the data path has to know: whom to believe at the gateway's addresses."""

    uid: str
    cluster: str
    gateway_identity: str
    protocol: Protocol = "jackstay/1"


def is_cluster_name(name: str) -> bool:
    """Whether the names of mirrors can end in *name*."""
    return _LABEL.fullmatch(name) is not None and len(name) <= LONGEST_CLUSTER


def keeps_mirrors(link: Link) -> bool:
    """Whether what *link* made is to stay when it is removed."""
    return link.metadata.annotations.get(marks.KEEP_MIRRORS) == "true"


def parse(link: Link, *, allow_loopback: bool = False, domain: str = "cluster.local") -> LinkSpec:
    """
    The spec of *link*, whose cluster has the DNS zone *domain* unless the Link says otherwise.

    Raises InvalidLink with every mistake there is.
    """
    return _Reader(link, allow_loopback=allow_loopback, domain=domain).spec()


def doors(links: Iterable[Link], before: Mapping[str, Door]) -> dict[str, Door]:
    """
    The doors of *links*, by their uids.

    A mistake elsewhere in a Link is none here; after one that matters its door is as *before*.
    """
    found: dict[str, Door] = {}
    for link in links:
        uid = link.metadata.uid
        try:
            found[uid] = _Reader(link, allow_loopback=False, domain="").door()
        except InvalidLink:
            if uid in before:
                found[uid] = before[uid]
    return found


class _Reader:
    """Reads field by field and remembers what was wrong."""

    def __init__(self, link: Link, *, allow_loopback: bool, domain: str) -> None:
        self._link = link
        self._fields = Fields(link.spec, "spec")
        self._loopback = allow_loopback
        self._default_domain = domain
        self._mistakes: list[str] = []

    def door(self) -> Door:
        """Raises InvalidLink with the mistakes in what it is made of."""
        door = Door(
            uid=self._link.metadata.uid,
            cluster=self._try(self._cluster, ""),
            gateway_identity=self._try(
                lambda: self._identity(needed=bool(self._fields.text("gatewayAddress").strip())), ""
            ),
            protocol=self._try(self._protocol, "jackstay/1"),
        )
        if self._mistakes:
            raise InvalidLink(tuple(self._mistakes))
        return door

    def spec(self) -> LinkSpec:
        metadata, fields = self._link.metadata, self._fields
        gateways: tuple[str, ...] = self._try(self._gateways, ())
        spec = LinkSpec(
            name=metadata.name,
            namespace=metadata.namespace,
            uid=metadata.uid,
            cluster=self._try(self._cluster, ""),
            domain=self._try(self._domain, ""),
            credentials=self._try(lambda: fields.required("clusterCredentialsSecret"), ""),
            gateways=gateways,
            gateway_port=self._try(lambda: port(fields, "gatewayPort", 4143), 4143),
            gateway_identity=self._try(lambda: self._identity(needed=bool(gateways)), ""),
            probe=self._probe() if gateways else None,
            selector=self._selector("selector"),
            discovery_selector=self._selector("remoteDiscoverySelector"),
            federated_selector=self._selector("federatedServiceSelector"),
            excluded_labels=self._try(lambda: fields.texts("excludedLabels"), ()),
            excluded_annotations=self._try(lambda: fields.texts("excludedAnnotations"), ()),
            copied_keys=listed(metadata.annotations.get(marks.COPIED_KEYS, "")),
            namespaces=frozenset(listed(metadata.annotations.get(marks.NAMESPACES, ""))),
            protocol=self._try(self._protocol, "jackstay/1"),
            remote_uid=metadata.annotations.get(marks.REMOTE_UID, ""),
        )
        if self._mistakes:
            raise InvalidLink(tuple(self._mistakes))
        return spec

    def _try(self, read: Callable[[], T], otherwise: T) -> T:
        try:
            return read()
        except Malformed as mistake:
            self._mistakes.append(str(mistake))
            return otherwise

    def _cluster(self) -> str:
        name = self._fields.required("targetClusterName")
        if not is_cluster_name(name):
            raise Malformed(
                f"spec.targetClusterName {name!r} cannot end the name of a Service: up to {LONGEST_CLUSTER} "
                "of a-z, 0-9 and hyphens, with no hyphen at either end"
            )
        return name

    def _domain(self) -> str:
        domain = self._fields.text("targetClusterDomain") or self._default_domain
        if len(domain) > 253 or not all(_LABEL.fullmatch(label) for label in domain.split(".")):
            raise Malformed(f"spec.targetClusterDomain {domain!r} is no DNS name")
        return domain

    def _gateways(self) -> tuple[str, ...]:
        hosts = tuple(dict.fromkeys(map(_host, listed(self._fields.text("gatewayAddress")))))
        for host in hosts:
            refused = refused_range(host, allow_loopback=self._loopback) if is_ip(host) else None
            if refused:
                raise Malformed(f"spec.gatewayAddress: {host} is {refused}, where no gateway can be")
            if not is_ip(host) and not _HOST.fullmatch(host):
                raise Malformed(f"spec.gatewayAddress: {host!r} is neither an address nor a host name")
        return hosts

    def _identity(self, *, needed: bool) -> str:
        identity = self._fields.text("gatewayIdentity").strip().lower()
        if needed and not identity:
            raise Malformed("spec.gatewayIdentity is missing: nothing tells the gateway from anybody else")
        if identity and (len(identity) > 253 or not all(map(_LABEL.fullmatch, identity.split(".")))):
            raise Malformed(f"spec.gatewayIdentity {identity!r} is no DNS name")
        return identity

    def _protocol(self) -> Protocol:
        said = self._link.metadata.annotations.get(marks.GATEWAY_PROTOCOL, "jackstay/1")
        protocol = _PROTOCOLS.get(said)
        if protocol is None:
            raise Malformed(f"annotation {marks.GATEWAY_PROTOCOL} is {said!r}, not {' or '.join(_PROTOCOLS)}")
        return protocol

    def _selector(self, name: str) -> Selector:
        return self._try(lambda: Selector.read(self._fields.below(name)), NOTHING)

    def _probe(self) -> ProbeSpec | None:
        try:
            probe = self._fields.below("probeSpec")
        except Malformed as mistake:
            self._mistakes.append(str(mistake))
            return None
        spec = ProbeSpec(
            path=self._try(lambda: path(probe), ""),
            port=self._try(lambda: port(probe, "port", 4191), 4191),
            period=self._try(lambda: duration(probe, "period", 3.0), 3.0),
            timeout=self._try(lambda: duration(probe, "timeout", 30.0), 30.0),
            threshold=self._try(lambda: count(probe, "failureThreshold", 3), 3),
        )
        return spec if spec.path else None


def _host(text: str) -> str:
    """Names in lower case, addresses in their one canonical form."""
    return str(ipaddress.ip_address(text)) if is_ip(text) else text.lower()


LONGEST_CLUSTER = 50
"""So that a service's mirror has a name of at most 63 characters in which the service can be told."""

_PROTOCOLS: dict[str, Protocol] = {"jackstay/1": "jackstay/1", "transport.l5d.io/v1": "transport.l5d.io/v1"}

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_]([-\w]*[a-z0-9])?(\.[a-z0-9_]([-\w]*[a-z0-9])?)*\.?", re.ASCII)
