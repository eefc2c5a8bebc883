"""Objects as the contract tests write them."""

import socket
from typing import Any

import pytest

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


def own_address() -> str:
    """An address of this machine that is not on loopback, to which a real API server does not go; or skip."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("198.51.100.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(sock.getsockname()[0])
