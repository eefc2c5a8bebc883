"""
The kinds that this server keeps: a row each. What a row does not say is the same for all of them.

A row extends one of `cluster.kinds` by how its objects are named, filled in, judged, patched and shown.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cluster import kinds
from cluster.kinds import Kind
from cluster.local import defaults, tables, validation
from cluster.local.names import dns_label, dns_subdomain, service_name
from cluster.local.tables import AGE, NAME, Column, at, count
from cluster.local.validation import Check
from cluster.metadata import Raw


@dataclass(frozen=True, slots=True)
class Resource:
    """How this server keeps one kind."""

    kind: Kind
    columns: tuple[Column, ...]
    """What `kubectl get` shows."""

    check: Check = validation.nothing_more
    fill: Callable[[Raw, Raw | None, datetime], None] = defaults.nothing
    named: Callable[[str], str | None] = dns_subdomain
    """What is wrong with a name, or None."""

    has_spec: bool = True
    """Whether there is a `spec`, an object."""

    has_status: bool = False
    """Whether `status` is a subresource: written there, and nowhere else."""

    counts_generations: bool = False
    """Whether `metadata.generation` grows with each change beside metadata and status."""

    custom: bool = False
    """Whether it is a custom resource in a real cluster: no strategic merge patch, no blind replace."""

    selectable: tuple[str, ...] = ()
    """Fields that a field selector may ask for, beside name and namespace."""

    merge_keys: Mapping[str, str] = field(default_factory=dict)
    """Lists that a strategic merge patch merges: path -> key of an item ("" for a set)."""

    issues_tokens: bool = False
    """Whether there is a `token` subresource."""

    categories: tuple[str, ...] = ()
    """What else `kubectl get` may call it, as `all`."""

    takes_along: Kind | None = None
    """The kind whose object of the same name goes when one of these is deleted."""

    @property
    def all_merge_keys(self) -> Mapping[str, str]:
        return {**_MERGE_KEYS_OF_ALL, **self.merge_keys}


_MERGE_KEYS_OF_ALL = {
    "metadata.finalizers": "",
    "metadata.ownerReferences": "uid",
    "status.conditions": "type",
}
_POD_SPEC = {
    "volumes": "name",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
} | {
    f"{containers}{below}": key
    for containers in ("containers", "initContainers", "ephemeralContainers")
    for below, key in (
        ("", "name"),
        (".ports", "containerPort"),
        (".env", "name"),
        (".volumeMounts", "mountPath"),
        (".volumeDevices", "devicePath"),
    )
}

RESOURCES = (
    Resource(
        kinds.NAMESPACE,
        (NAME, Column("Status", at("status", "phase")), AGE),
        fill=defaults.namespace,
        named=dns_label,
        has_status=True,
        selectable=("status.phase",),
    ),
    Resource(
        kinds.NODE,
        (
            NAME,
            Column("Version", at("status", "nodeInfo", "kubeletVersion")),
            AGE,
            Column("Addresses", tables.node_addresses, wide=True),
        ),
        has_status=True,
        selectable=("spec.unschedulable",),
        merge_keys={"status.addresses": "type"},
    ),
    Resource(
        kinds.SERVICE,
        (
            NAME,
            Column("Type", at("spec", "type")),
            Column("Cluster-IP", at("spec", "clusterIP")),
            Column("External-IP", tables.external_ip),
            Column("Port(s)", tables.service_ports),
            AGE,
            Column("Selector", tables.selector, wide=True),
        ),
        check=validation.service,
        fill=defaults.service,
        named=service_name,
        categories=("all",),
        has_status=True,
        selectable=("spec.clusterIP", "spec.type"),
        merge_keys={"spec.ports": "port"},
        takes_along=kinds.ENDPOINTS,
    ),
    Resource(
        kinds.ENDPOINTS,
        (NAME, Column("Endpoints", tables.endpoint_addresses), AGE),
        check=validation.endpoints,
        fill=defaults.endpoints,
        has_spec=False,
    ),
    Resource(
        kinds.ENDPOINT_SLICE,
        (
            NAME,
            Column("AddressType", at("addressType")),
            Column("Ports", tables.slice_ports),
            Column("Endpoints", tables.slice_addresses),
            AGE,
        ),
        check=validation.endpoint_slice,
        fill=defaults.endpoint_slice,
        has_spec=False,
        counts_generations=True,
    ),
    Resource(
        kinds.SECRET,
        (NAME, Column("Type", at("type")), Column("Data", count("data"), "integer"), AGE),
        check=validation.secret,
        fill=defaults.secret,
        has_spec=False,
        selectable=("type",),
    ),
    Resource(
        kinds.CONFIG_MAP,
        (NAME, Column("Data", count("data"), "integer"), AGE),
        check=validation.config_map,
        has_spec=False,
    ),
    Resource(
        kinds.SERVICE_ACCOUNT,
        (NAME, Column("Secrets", count("secrets"), "integer"), AGE),
        has_spec=False,
        merge_keys={"secrets": "name"},
        issues_tokens=True,
    ),
    Resource(
        kinds.LEASE,
        (NAME, Column("Holder", at("spec", "holderIdentity", absent="")), AGE),
        check=validation.lease,
    ),
    Resource(
        kinds.EVENT,
        (
            Column("Last Seen", tables.last_seen),
            Column("Type", at("type")),
            Column("Reason", at("reason")),
            Column("Object", tables.involved),
            Column("Source", at("source", "component", absent=""), wide=True),
            Column("Message", at("message", absent="")),
            Column("Count", at("count", absent=1), "integer", wide=True),
            Column("Name", at("metadata", "name"), wide=True),
        ),
        check=validation.event,
        fill=defaults.event,
        has_spec=False,
        selectable=(
            *(
                f"involvedObject.{name}"
                for name in ("apiVersion", "fieldPath", "kind", "name", "namespace", "resourceVersion", "uid")
            ),
            "reason",
            "reportingComponent",
            "type",
        ),
    ),
    Resource(
        kinds.POD,
        (
            NAME,
            Column("Ready", tables.ready_containers),
            Column("Status", at("status", "phase")),
            Column("Restarts", tables.restarts, "integer"),
            AGE,
            Column("IP", at("status", "podIP"), wide=True),
            Column("Node", at("spec", "nodeName"), wide=True),
        ),
        check=validation.pod,
        fill=defaults.pod,
        categories=("all",),
        has_status=True,
        selectable=(
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
        ),
        merge_keys={f"spec.{path}": key for path, key in _POD_SPEC.items()},
    ),
    Resource(
        kinds.DEPLOYMENT,
        (
            NAME,
            Column("Ready", tables.ready_replicas),
            Column("Up-to-date", at("status", "updatedReplicas", absent=0), "integer"),
            Column("Available", at("status", "availableReplicas", absent=0), "integer"),
            AGE,
            Column("Selector", tables.selector, wide=True),
        ),
        check=validation.deployment,
        fill=defaults.deployment,
        categories=("all",),
        has_status=True,
        counts_generations=True,
        merge_keys={f"spec.template.spec.{path}": key for path, key in _POD_SPEC.items()},
    ),
    Resource(
        kinds.CUSTOM_RESOURCE_DEFINITION,
        (NAME, Column("Created At", at("metadata", "creationTimestamp"), "date")),
        check=validation.custom_resource_definition,
        fill=defaults.custom_resource_definition,
        has_status=True,
        counts_generations=True,
    ),
    Resource(
        kinds.LINK,
        (
            NAME,
            Column("Alive", tables.gateway_alive, description="Whether the gateway over there lives."),
            Column("Services", at("status", "gateway", "services", absent=0), "integer"),
            Column("Latency", tables.gateway_latency, description="Of the last probe of the gateway."),
            Column(
                "Synced", tables.condition("Synced"), description="Whether the mirrors are as they ought."
            ),
            AGE,
            Column("Gateway", at("spec", "gatewayAddress"), wide=True),
        ),
        has_status=True,
        counts_generations=True,
        custom=True,
    ),
    Resource(
        kinds.TRAFFIC_SPLIT,
        (NAME, Column("Service", at("spec", "service")), AGE),
        counts_generations=True,
        custom=True,
    ),
)
