"""Kubeconfigs for tests: one that is taken, and ways to change it."""

import base64
from copy import deepcopy
from typing import Any

import yaml

from tests.support.pki import Pki

PKI = Pki.make()
WEB = PKI.leaf("web.test")
OTHER = PKI.leaf("other.test")
SERVER = "https://192.0.2.1:6443"
CANARY = "/nonexistent/canary"


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def document(
    *, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None, **top: Any
) -> dict[str, Any]:
    """A kubeconfig that is taken, but for what is said; None removes."""
    ca = encoded(WEB.anchors_pem)
    of_cluster = {"server": SERVER, "certificate-authority-data": ca} | (cluster or {})
    of_user = {"token": "a-token"} | (user or {})
    whole = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "east", "cluster": said(of_cluster)}],
        "users": [{"name": "remote", "user": said(of_user)}],
        "contexts": [{"name": "c", "context": {"cluster": "east", "user": "remote"}}],
        "current-context": "c",
    }
    return said(whole | {name.replace("_", "-"): value for name, value in top.items()})


def said(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def written(whole: dict[str, Any]) -> bytes:
    return yaml.safe_dump(whole).encode()


def of_cluster(**fields: Any) -> bytes:
    return written(document(cluster={name.replace("_", "-"): value for name, value in fields.items()}))


def of_user(**fields: Any) -> bytes:
    return written(document(user={name.replace("_", "-"): value for name, value in fields.items()}))


def twice(plural: str) -> bytes:
    whole = document()
    whole[plural] = [*whole[plural], deepcopy(whole[plural][0])]
    return written(whole)


EXEC = {"command": "touch", "args": [CANARY], "apiVersion": "client.authentication.k8s.io/v1"}
