"""
The objects that jackstay makes in a cluster, as manifests, and how they are printed.

Everything here is a pure function: what changes a cluster is shown before it is applied.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from cluster.kinds import NAMESPACE, SECRET, SERVICE, SERVICE_ACCOUNT, Kind
from process.version import VERSION

Manifest = dict[str, Any]

GATEWAY = "jackstay-gateway"
MIRROR = "jackstay-mirror"
IDENTITY = "jackstay-identity"
REMOTE_ACCESS = "jackstay-remote-access"
GATEWAY_PORT = 4143
PROBE_PORT = 4191
IDENTITY_PORT = 8080

IDENTITY_ANNOTATION = "mirror.linkerd.io/gateway-identity"
PROBE_PERIOD_ANNOTATION = "mirror.linkerd.io/probe-period"
PROBE_PATH_ANNOTATION = "mirror.linkerd.io/probe-path"
GATEWAY_ANNOTATION = "mirror.linkerd.io/multicluster-gateway"
EXPORTED_LABEL = "mirror.linkerd.io/exported"
CREATED_BY = {"jackstay.io/created-by": f"jackstay/cli {VERSION}"}


def as_yaml(manifests: Iterable[Manifest]) -> str:
    """Documents for `kubectl apply -f -`."""
    return "".join(f"---\n{yaml.safe_dump(manifest, sort_keys=False)}" for manifest in manifests)


def as_json(manifests: Iterable[Manifest]) -> str:
    """One object after the other, which kubectl reads as well."""
    return "".join(json.dumps(manifest, indent=2) + "\n" for manifest in manifests)


def manifest(
    kind: Kind,
    name: str,
    namespace: str = "",
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **rest: Any,
) -> Manifest:
    """An object of *kind* with only what is said."""
    metadata: Manifest = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = dict(labels)
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **rest}


def namespace(name: str) -> Manifest:
    return manifest(NAMESPACE, name)


def service_account(name: str, namespace: str) -> Manifest:
    return manifest(SERVICE_ACCOUNT, name, namespace, labels=part_labels(name))


def part_labels(name: str) -> dict[str, str]:
    """The labels of our own part *name* (`jackstay-gateway` is the component `gateway`)."""
    return {
        "app.kubernetes.io/name": "jackstay",
        "app.kubernetes.io/component": name.removeprefix("jackstay-"),
    }


def gateway_service(
    namespace: str,
    identity: str,
    *,
    port: int = GATEWAY_PORT,
    probe_port: int = PROBE_PORT,
    probe_period: int = 3,
    service_type: str = "LoadBalancer",
) -> Manifest:
    """The Service by which a cloud gives the gateway its public address."""
    return manifest(
        SERVICE,
        GATEWAY,
        namespace,
        labels=part_labels(GATEWAY),
        annotations={
            IDENTITY_ANNOTATION: identity,
            PROBE_PERIOD_ANNOTATION: str(probe_period),
            PROBE_PATH_ANNOTATION: "/ready",
            GATEWAY_ANNOTATION: "true",
        },
        spec={
            "type": service_type,
            "selector": part_labels(GATEWAY),
            "ports": [
                {"name": "mc-gateway", "port": port, "targetPort": "mc-gateway", "protocol": "TCP"},
                {"name": "mc-probe", "port": probe_port, "targetPort": "mc-probe", "protocol": "TCP"},
            ],
        },
    )


def identity_service(namespace: str) -> Manifest:
    """The Service by which proxies of its own cluster reach the identity service."""
    return manifest(
        SERVICE,
        IDENTITY,
        namespace,
        labels=part_labels(IDENTITY),
        spec={
            "type": "ClusterIP",
            "selector": part_labels(IDENTITY),
            "ports": [
                {"name": "identity", "port": IDENTITY_PORT, "targetPort": "identity", "protocol": "TCP"}
            ],
        },
    )


def credentials_secret(name: str, namespace: str, kubeconfig: bytes) -> Manifest:
    """What the mirror shows to a linked cluster's API server."""
    return manifest(
        SECRET,
        name,
        namespace,
        annotations=CREATED_BY,
        type="mirror.linkerd.io/remote-kubeconfig",
        data={"kubeconfig": base64.b64encode(kubeconfig).decode()},
    )
