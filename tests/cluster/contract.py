"""Objects as the contract tests write them."""

from typing import Any

from cluster.kinds import CONFIG_MAP, SERVICE, Kind

Json = dict[str, Any]


def an(kind: Kind, namespace: str, name: str, /, *, labels: Json | None = None, **fields: Any) -> Json:
    metadata = {"name": name, "namespace": namespace, "labels": labels or {}}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **fields}


def a_service(namespace: str, name: str = "podinfo", **spec: Any) -> Json:
    return an(SERVICE, namespace, name, spec={"ports": [{"name": "http", "port": 9898}], **spec})


def a_map(namespace: str, name: str = "settings", **more: Any) -> Json:
    return an(CONFIG_MAP, namespace, name, data={"color": "blue"}, **more)


def version_of(raw: Json) -> str:
    return str(raw["metadata"]["resourceVersion"])
