"""
Our two custom kinds as CustomResourceDefinitions, to be created in a cluster before anything of the kind.

Link is Linkerd's, in all its versions, so that manifests and older controllers of either side keep
working; ours adds conditions and the gateway's state to the status, and columns for `kubectl get`.
"""

from collections.abc import Mapping
from typing import Any

from cluster.kinds import CUSTOM_RESOURCE_DEFINITION, LINK, TRAFFIC_SPLIT, Kind

Schema = dict[str, Any]


def _object(properties: Mapping[str, Schema], *, required: tuple[str, ...] = (), **more: Any) -> Schema:
    schema: Schema = {"type": "object", "properties": dict(properties), **more}
    if required:
        schema["required"] = list(required)
    return schema


def _text(description: str = "", **more: Any) -> Schema:
    return {"type": "string", **({"description": description} if description else {}), **more}


def _list(items: Schema, description: str = "") -> Schema:
    return {"type": "array", "items": items, **({"description": description} if description else {})}


def _selector(description: str) -> Schema:
    expression = _object(
        {
            "key": _text(),
            "operator": _text(enum=["In", "NotIn", "Exists", "DoesNotExist"]),
            "values": _list(_text()),
        },
        required=("key", "operator"),
    )
    labels: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    properties = {"matchLabels": labels, "matchExpressions": _list(expression)}
    return _object(properties, description=f"{description} Missing or empty: none.")


def _link_spec(*, federated: bool, excluded: bool, durations: bool) -> Schema:
    duration: dict[str, Any] = {"format": "duration"} if durations else {}
    probe = _object(
        {
            "failureThreshold": _text("Probes that fail in a row until the gateway is dead.", default="3"),
            "path": _text("Where a gateway that does not speak jackstay/1 is asked."),
            "period": _text("How often, e.g. 3s.", **duration),
            "port": _text("At which port."),
            "timeout": _text("How long one probe may take.", default="30s", **duration),
        },
        description="How the gateway is probed.",
    )
    properties = {
        "clusterCredentialsSecret": _text(
            "The Secret beside the Link whose `kubeconfig` leads to the target."
        ),
        "gatewayAddress": _text("Addresses or names of the target's gateway, with commas between them."),
        "gatewayIdentity": _text("The identity that the gateway's certificate must show."),
        "gatewayPort": _text("The gateway's port."),
        "probeSpec": probe,
        "selector": _selector("Services that are mirrored and reached through the gateway."),
        "remoteDiscoverySelector": _selector("Services that are mirrored and reached pod to pod."),
        "targetClusterName": _text("What the target is called here; the end of every mirror's name."),
        "targetClusterDomain": _text("The target's DNS zone."),
        "targetClusterLinkerdNamespace": _text("Where the target's control plane lives."),
    }
    if federated:
        properties["federatedServiceSelector"] = _selector("Services that join a federated Service.")
    if excluded:
        for what in ("Annotations", "Labels"):
            sentence = f"{what} that mirrors do not take over: a key, or a prefix and /*."
            properties[f"excluded{what}"] = _list(_text(), sentence)
    return _object(properties)


def _reference() -> Schema:
    return _object(
        {
            "group": _text(maxLength=253),
            "kind": _text(maxLength=63),
            "name": _text(maxLength=253),
            "namespace": _text(maxLength=63),
        },
        required=("name", "namespace"),
    )


def _condition(**more: Schema) -> Schema:
    return _object(
        {
            "type": _text(maxLength=316),
            "status": _text(enum=["True", "False", "Unknown"]),
            "reason": _text(maxLength=1024, minLength=1),
            "message": _text(maxLength=32768),
            "lastTransitionTime": _text(format="date-time"),
            "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
            **more,
        },
        required=("type", "status", "reason", "message", "lastTransitionTime"),
    )


def _link_status() -> Schema:
    mirrored = _object(
        {
            "controllerName": _text(maxLength=253),
            "remoteRef": _reference(),
            "conditions": _list(_condition(localRef=_reference())),
        },
        required=("controllerName", "remoteRef"),
    )
    flag, number = {"type": "boolean"}, {"type": "integer", "format": "int64"}
    address = _object(
        {
            "address": _text("As host:port."),
            "alive": flag,
            "latencyMilliseconds": number,
            "reason": _text("Why the last probe failed."),
        },
        required=("address", "alive"),
    )
    gateway = _object(
        {
            "alive": flag,
            "services": number | {"description": "How many Services are mirrored."},
            "latencyMilliseconds": number | {"description": "Of the last probe that was answered."},
            "lastTransitionTime": _text("When it came alive or died.", format="date-time"),
            "addresses": _list(address),
        }
    )
    return _object(
        {
            "mirrorServices": _list(mirrored),
            "federatedServices": _list(mirrored),
            "conditions": _list(_condition())
            | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
            "gateway": gateway,
        }
    )


_LINK_COLUMNS = (
    {"name": "Alive", "type": "boolean", "jsonPath": ".status.gateway.alive"},
    {"name": "Services", "type": "integer", "jsonPath": ".status.gateway.services"},
    {
        "name": "Latency",
        "type": "integer",
        "jsonPath": ".status.gateway.latencyMilliseconds",
        "description": "Of the last answered probe, in milliseconds.",
    },
    {
        "name": "Synced",
        "type": "string",
        "jsonPath": '.status.conditions[?(@.type=="Synced")].status',
        "description": "Whether the mirrors are what they ought to be.",
    },
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
)


def _version(
    kind: Kind, name: str, properties: Mapping[str, Schema], columns: tuple[Schema, ...], *, status: bool
) -> Schema:
    return {
        "name": name,
        "served": True,
        "storage": name == kind.version,
        "schema": {"openAPIV3Schema": _object(properties)},
        "additionalPrinterColumns": [dict(column) for column in columns],
        **({"subresources": {"status": {}}} if status else {}),
    }


def _definition(kind: Kind, versions: list[Schema]) -> Schema:
    names: Schema = {"kind": kind.kind, "listKind": f"{kind.kind}List"}
    names |= {"plural": kind.plural, "singular": kind.singular}
    if kind.short_names:
        names["shortNames"] = list(kind.short_names)
    return {
        "apiVersion": CUSTOM_RESOURCE_DEFINITION.api_version,
        "kind": CUSTOM_RESOURCE_DEFINITION.kind,
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {"group": kind.group, "scope": "Namespaced", "names": names, "versions": versions},
    }


def link_definition() -> Schema:
    """The CustomResourceDefinition of Link: three versions, the last one stored."""
    v1alpha1 = {"spec": _link_spec(federated=False, excluded=False, durations=False)}
    v1alpha2 = {"spec": _link_spec(federated=True, excluded=False, durations=True), "status": _link_status()}
    v1alpha3 = {"spec": _link_spec(federated=True, excluded=True, durations=True), "status": _link_status()}
    age = _LINK_COLUMNS[-1:]
    return _definition(
        LINK,
        [
            _version(LINK, "v1alpha1", v1alpha1, age, status=False),
            _version(LINK, "v1alpha2", v1alpha2, _LINK_COLUMNS, status=True),
            _version(LINK, "v1alpha3", v1alpha3, _LINK_COLUMNS, status=True),
        ],
    )


def traffic_split_definition() -> Schema:
    """The CustomResourceDefinition of TrafficSplit, as the Service Mesh Interface has it."""
    backend = _object(
        {"service": _text(), "weight": {"type": "integer", "format": "int64", "minimum": 0}},
        required=("service", "weight"),
    )
    match = _object({"kind": _text(), "name": _text(), "apiGroup": _text()})
    spec = {"service": _text("The Service that clients name."), "backends": _list(backend)}
    column = {"name": "Service", "type": "string", "jsonPath": ".spec.service"}
    return _definition(
        TRAFFIC_SPLIT,
        [
            _version(
                TRAFFIC_SPLIT,
                version,
                {"spec": _object(properties, required=("service",))},
                (column,),
                status=False,
            )
            for version, properties in (("v1alpha1", spec), ("v1alpha2", spec | {"matches": _list(match)}))
        ],
    )
