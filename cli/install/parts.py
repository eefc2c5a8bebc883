"""The Deployments of our parts, and the files their pods read."""

from collections.abc import Iterable, Mapping
from typing import Any

from cli.install.origin import Origin, origin, tls_name
from cli.install.wanted import Shown, Wanted
from cli.manifests import (
    GATEWAY,
    GATEWAY_PORT,
    IDENTITY,
    IDENTITY_PORT,
    MIRROR,
    PROBE_PORT,
    Manifest,
    manifest,
    part_labels,
)
from cluster.kinds import CONFIG_MAP, DEPLOYMENT, SECRET

ADMIN_PORT = 9990
TRUST_BUNDLE = "jackstay-trust-bundle"
BUNDLE_KEY = "ca-bundle.crt"
TRUST_DIRECTORY = "/var/run/jackstay/trust"
ISSUER_SECRET = f"{IDENTITY}-issuer"
USER = 2102
"""As in the Dockerfile."""

GRACE = 45
"""Seconds from SIGTERM to SIGKILL: 8 with the door still open, 25 for what runs, and some to spare."""

Container = dict[str, Any]


def trust_bundle(wanted: Wanted) -> Manifest:
    """The trust anchors, where every part finds them."""
    return manifest(
        CONFIG_MAP,
        TRUST_BUNDLE,
        wanted.namespace,
        labels={"app.kubernetes.io/name": "jackstay"},
        data={BUNDLE_KEY: wanted.trust_anchors.pem.decode()},
    )


def tls_secret(part: str, namespace: str, shown: Shown) -> Manifest:
    """The credentials of *part*, replaced by applying others: a running process takes them over."""
    return manifest(
        SECRET,
        tls_name(part),
        namespace,
        labels=part_labels(part),
        type="kubernetes.io/tls",
        data=shown.data,
    )


def issuer_secret(namespace: str, issuer: Shown) -> Manifest:
    """The cluster's issuer, replaced by applying another: the identity service takes it over."""
    return manifest(
        SECRET,
        ISSUER_SECRET,
        namespace,
        labels=part_labels(IDENTITY),
        type="kubernetes.io/tls",
        data=issuer.data,
    )


def gateway(wanted: Wanted) -> Manifest:
    return _deployment(
        wanted,
        GATEWAY,
        certificate=origin(wanted, GATEWAY),
        replicas=wanted.gateway_replicas,
        arguments=(
            *("gateway", "--probe", f":{PROBE_PORT}"),
            *("--cluster-domain", wanted.cluster_domain),
        ),
        ports={"mc-gateway": GATEWAY_PORT, "mc-probe": PROBE_PORT},
        requests={"cpu": "100m", "memory": "96Mi"},
    )


def mirror(wanted: Wanted) -> Manifest:
    return _deployment(
        wanted,
        MIRROR,
        certificate=origin(wanted, MIRROR),
        replicas=wanted.mirror_replicas,
        arguments=(
            *("mirror", "--cluster-domain", wanted.cluster_domain),
            *(("--create-namespaces",) if wanted.create_namespaces else ()),
        ),
        ports={},
        requests={"cpu": "50m", "memory": "128Mi"},
    )


def identity(wanted: Wanted) -> Manifest:
    """It issues its own certificate, and reads the issuer by the API: no key is mounted into its pod."""
    return _deployment(
        wanted,
        IDENTITY,
        replicas=wanted.identity_replicas,
        arguments=(
            *("identity", "--listen", f":{IDENTITY_PORT}"),
            *("--issuer-secret", ISSUER_SECRET),
            *("--trust-domain", wanted.trust_domain),
        ),
        ports={"identity": IDENTITY_PORT},
        requests={"cpu": "50m", "memory": "96Mi"},
        certificate=None,
    )


def _deployment(
    wanted: Wanted,
    part: str,
    *,
    certificate: Origin | None,
    replicas: int,
    arguments: Iterable[str],
    ports: Mapping[str, int],
    requests: Mapping[str, str],
) -> Manifest:
    labels = part_labels(part)
    container = {
        "name": part.removeprefix("jackstay-"),
        "image": wanted.image,
        "imagePullPolicy": "IfNotPresent",
        "args": [
            *arguments,
            *("--admin", f":{ADMIN_PORT}"),
            *(certificate.arguments if certificate else ()),
            *("--trust-anchors", f"{TRUST_DIRECTORY}/{BUNDLE_KEY}"),
            *("--namespace", wanted.namespace),
            *("--log-level", wanted.log_level),
        ],
        "ports": [
            {"name": name, "containerPort": number, "protocol": "TCP"}
            for name, number in {**ports, "admin": ADMIN_PORT}.items()
        ],
        "startupProbe": {
            **_probe("/live"),
            "initialDelaySeconds": 2,  # it takes one: an earlier look would only leave a warning
            "periodSeconds": 1,
            "failureThreshold": 60,
        },
        "livenessProbe": {**_probe("/live"), "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
        "readinessProbe": {
            **_probe("/ready"),
            "periodSeconds": 2,
            "timeoutSeconds": 2,
            "failureThreshold": 2,
        },
        "resources": {"requests": dict(requests)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            *([certificate.mount] if certificate else []),
            {"name": "trust", "mountPath": TRUST_DIRECTORY, "readOnly": True},
        ],
    }
    pod = {
        "serviceAccountName": part,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels},
            }
        ],
        "containers": [container],
        "volumes": [
            *([certificate.volume] if certificate else []),
            {"name": "trust", "configMap": {"name": TRUST_BUNDLE}},
        ],
    }
    scraped = {"prometheus.io/scrape": "true", "prometheus.io/port": str(ADMIN_PORT)}
    return manifest(
        DEPLOYMENT,
        part,
        wanted.namespace,
        labels=labels,
        spec={
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": labels, "annotations": scraped}, "spec": pod},
        },
    )


def _probe(path: str) -> Container:
    return {"httpGet": {"path": path, "port": "admin"}}
