"""
What a cluster of the demo holds before jackstay does anything, as manifests.

In a real cluster people apply the Service, and the kubelet and Kubernetes' controllers make
the Pod's status and the endpoints. Here the demo plays them.
"""

from collections.abc import Mapping

from cli.manifests import Manifest, manifest
from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, POD, SERVICE
from process.address import Address

PODINFO = "podinfo"
TEST = "test"
"""The namespace of the application."""

LABELS: Mapping[str, str] = {"app": PODINFO}
SERVICE_PORT = 9898


def podinfo_pod(cluster: str) -> str:
    """The name of the pod, as a Deployment would make it."""
    return f"{PODINFO}-{cluster}-0"


def podinfo(cluster: str, pod: Address) -> tuple[Manifest, ...]:
    """The Service `podinfo`, its one pod, and the endpoints that say so."""
    name = podinfo_pod(cluster)
    target = {"kind": POD.kind, "namespace": TEST, "name": name}
    port = {"name": "http", "port": pod.port, "protocol": "TCP"}
    return (
        manifest(
            POD,
            name,
            TEST,
            labels=LABELS,
            spec={
                "containers": [
                    {
                        "name": PODINFO,
                        "image": "jackstay:demo",
                        "ports": [{"name": "http", "containerPort": pod.port, "protocol": "TCP"}],
                    }
                ]
            },
        ),
        manifest(
            SERVICE,
            PODINFO,
            TEST,
            labels=LABELS,
            spec={
                "selector": dict(LABELS),
                "ports": [{"name": "http", "port": SERVICE_PORT, "targetPort": "http", "protocol": "TCP"}],
            },
        ),
        manifest(
            ENDPOINTS,
            PODINFO,
            TEST,
            labels=LABELS,
            subsets=[{"addresses": [{"ip": pod.host, "targetRef": target}], "ports": [port]}],
        ),
        manifest(
            ENDPOINT_SLICE,
            f"{PODINFO}-0",
            TEST,
            labels={
                **LABELS,
                "kubernetes.io/service-name": PODINFO,
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
            addressType="IPv4",
            endpoints=[
                {
                    "addresses": [pod.host],
                    "conditions": {"ready": True, "serving": True, "terminating": False},
                    "targetRef": target,
                }
            ],
            ports=[port],
        ),
    )


def running(pod: Address) -> Manifest:
    """The status of the pod once it runs."""
    return {
        "status": {
            "phase": "Running",
            "podIP": pod.host,
            "podIPs": [{"ip": pod.host}],
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [
                {"name": PODINFO, "ready": True, "restartCount": 0, "image": "jackstay:demo", "imageID": ""}
            ],
        }
    }


def balanced(gateway: Address) -> Manifest:
    """The status that a cloud gives the gateway's Service."""
    return {"status": {"loadBalancer": {"ingress": [{"ip": gateway.host}]}}}


def exported(label: str, *, wanted: bool) -> Manifest:
    """The change of `kubectl label service podinfo LABEL=true`, or of `LABEL-`."""
    return {"metadata": {"labels": {label: "true" if wanted else None}}}
