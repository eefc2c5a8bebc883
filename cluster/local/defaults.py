"""
What the server fills in, kind by kind, so that whoever reads an object need not know the defaults.

Each function changes the object it is given, which is a copy of the server's own. *before* is the
object as it was, None for a new one.
"""

import base64
import copy
from datetime import datetime

from cluster.metadata import Raw, time_text


def nothing(item: Raw, before: Raw | None, now: datetime) -> None:
    """No defaults."""


def namespace(item: Raw, before: Raw | None, now: datetime) -> None:
    item["spec"] = {"finalizers": ["kubernetes"]}
    item.setdefault("status", {}).setdefault("phase", "Active")
    given = item["metadata"]
    if isinstance(labels := given.get("labels") or {}, dict):
        given["labels"] = labels | {"kubernetes.io/metadata.name": given.get("name")}


def service(item: Raw, before: Raw | None, now: datetime) -> None:
    spec = item["spec"]
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    item.setdefault("status", {}).setdefault("loadBalancer", {})
    for port in _objects(spec.get("ports")):
        port["protocol"] = port.get("protocol") or "TCP"
        port["targetPort"] = port.get("targetPort") or port.get("port")  # clients in Go write 0 for none
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
    if spec["type"] in ("LoadBalancer", "NodePort"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def endpoints(item: Raw, before: Raw | None, now: datetime) -> None:
    for subset in _objects(item.get("subsets")):
        for port in _objects(subset.get("ports")):
            port.setdefault("protocol", "TCP")


def endpoint_slice(item: Raw, before: Raw | None, now: datetime) -> None:
    for port in _objects(item.get("ports")):
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def secret(item: Raw, before: Raw | None, now: datetime) -> None:
    item.setdefault("type", "Opaque")
    plain = item.pop("stringData", None)
    if isinstance(plain, dict) and isinstance(item.setdefault("data", {}), dict):
        item["data"] |= {
            key: base64.b64encode(text.encode()).decode()
            for key, text in plain.items()
            if isinstance(text, str)
        }


def event(item: Raw, before: Raw | None, now: datetime) -> None:
    item.setdefault("type", "Normal")


def pod(item: Raw, before: Raw | None, now: datetime) -> None:
    _pod_spec(item["spec"])
    item.setdefault("status", {}).setdefault("phase", "Pending")
    item["status"].setdefault("qosClass", "BestEffort")


def deployment(item: Raw, before: Raw | None, now: datetime) -> None:
    spec = item["spec"]
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    rolling = {"maxSurge": "25%", "maxUnavailable": "25%"}
    spec.setdefault("strategy", {"type": "RollingUpdate", "rollingUpdate": rolling})
    template = spec.get("template")
    if isinstance(template, dict) and isinstance(template.get("spec"), dict):
        _pod_spec(template["spec"])


def _pod_spec(spec: Raw) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    for container in _objects(spec.get("containers")):
        for port in _objects(container.get("ports")):
            port.setdefault("protocol", "TCP")


def custom_resource_definition(item: Raw, before: Raw | None, now: datetime) -> None:
    """Established at once, so that `kubectl wait` ends: the kinds we serve are always served."""
    if item.get("status") or not isinstance(item["spec"].get("names"), dict):
        return
    names, versions = copy.deepcopy(item["spec"]["names"]), _objects(item["spec"].get("versions"))
    item["status"] = {
        "acceptedNames": names,
        "storedVersions": [version.get("name") for version in versions if version.get("storage") is True],
        "conditions": [
            {
                "type": kind,
                "status": "True",
                "reason": reason,
                "message": message,
                "lastTransitionTime": time_text(now),
            }
            for kind, reason, message in (
                ("NamesAccepted", "NoConflicts", "no conflicts found"),
                ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
            )
        ],
    }


def _objects(value: object) -> list[Raw]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
