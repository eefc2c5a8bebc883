"""
Kubeconfigs. One in a Link's Secret is written by whoever may write that Secret, and to a client that
takes all of the format it is code: it runs programs, reads files, sends what it reads elsewhere.
So there are two readers: `strict` knows a handful of keys and refuses every other by name; `local`,
in `own_access`, reads the operator's own, files and plugins included.
"""

import base64
from collections.abc import Mapping
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cluster.access import Access
from cluster.kubeconfig_fields import (
    RefusedKubeconfig,
    certificates,
    decoded,
    entries,
    mapping,
    parsed,
    refuse_insecure,
    server_name,
    server_url,
    text,
    visible_token,
)
from cluster.own_access import in_cluster, local

__all__ = ["Access", "RefusedKubeconfig", "in_cluster", "local", "render", "strict"]

LARGEST = 64 * 1024
"""A Link's is 3 KiB. PyYAML reads 150 KB a second, and whoever reads a stranger's does nothing else then."""


def strict(kubeconfig: bytes, *, allow_loopback: bool = False) -> Access:
    """
    The access that a Link's *kubeconfig* gives.

    One cluster, https with CA data, a token or an inline client certificate; nothing else is known.
    No file is read, nothing is run, no name is resolved. Raises RefusedKubeconfig.
    """
    document = mapping(parsed(kubeconfig, largest=LARGEST), "kubeconfig")
    _known(
        document,
        "kubeconfig",
        {"apiVersion", "kind", "clusters", "users", "contexts", "current-context", "preferences"},
    )
    _check_head(document)
    cluster_name, cluster = _only(document, "clusters", "cluster")
    user_name, user = _only(document, "users", "user")
    context_name, context = _only(document, "contexts", "context")
    _known(context, "context", {"cluster", "user", "namespace"})
    if text(document, "current-context", default=context_name) != context_name:
        raise RefusedKubeconfig("current-context", "names no context of this file")
    for field, named, is_there in (("cluster", cluster_name, context), ("user", user_name, context)):
        if text(is_there, field) != named:
            raise RefusedKubeconfig(f"context.{field}", f"names no {field} of this file")

    refuse_insecure(cluster)
    _known(
        cluster,
        "cluster",
        {
            "server",
            "certificate-authority-data",
            "tls-server-name",
            "insecure-skip-tls-verify",
            "disable-compression",
        },
    )
    _known(user, "user", {"token", "client-certificate-data", "client-key-data"})
    if "certificate-authority-data" not in cluster:
        raise RefusedKubeconfig("certificate-authority-data", "is missing; a Link's server needs its own CA")
    certificate, key = _client_certificate(user)
    token = visible_token(text(user, "token")) if "token" in user else None
    if (token is None) == (certificate is None):
        raise RefusedKubeconfig("user", "needs a token or a client certificate with its key, one of the two")
    return Access(
        server=server_url(text(cluster, "server"), allow_loopback=allow_loopback),
        ca_data=certificates(decoded(cluster, "certificate-authority-data")),
        token=token,
        client_certificate=certificate,
        client_key=key,
        name=cluster_name,
        tls_server_name=server_name(text(cluster, "tls-server-name", default="")),
        namespace=text(context, "namespace", default=""),
    )


def render(server: str, ca_data: bytes, token: str, *, user: str, cluster: str, namespace: str = "") -> bytes:
    """A kubeconfig with one cluster, one user and one context, which `strict` takes."""
    context = {"cluster": cluster, "user": user, **({"namespace": namespace} if namespace else {})}
    ca = base64.b64encode(ca_data).decode()
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {"server": server, "certificate-authority-data": ca}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": cluster, "context": context}],
        "current-context": cluster,
    }
    return yaml.safe_dump(document, sort_keys=False).encode()


def _known(part: Mapping[str, Any], where: str, fields: set[str]) -> None:
    for field in part:
        if field not in fields:
            raise RefusedKubeconfig(field[:64], f"has no place in the {where} of a Link")


def _check_head(document: Mapping[str, Any]) -> None:
    if text(document, "apiVersion", default="v1") != "v1":
        raise RefusedKubeconfig("apiVersion", "is not v1")
    if text(document, "kind", default="Config") != "Config":
        raise RefusedKubeconfig("kind", "is not Config")


def _only(document: Mapping[str, Any], plural: str, singular: str) -> tuple[str, dict[str, Any]]:
    found = entries(document, plural, singular)
    if len(found) != 1:
        raise RefusedKubeconfig(plural, f"has {len(found)} entries; a Link's kubeconfig has one")
    _known(document[plural][0], plural, {"name", singular})
    return found[0]


def _client_certificate(user: Mapping[str, Any]) -> tuple[bytes | None, bytes | None]:
    """Certificate and key, or neither. Raises RefusedKubeconfig where they are not a pair."""
    fields = ("client-certificate-data", "client-key-data")
    missing = [field for field in fields if field not in user]
    if len(missing) == 2:
        return None, None
    if missing:
        raise RefusedKubeconfig(missing[0], "is missing beside the other")
    certificate, key = (decoded(user, field) for field in fields)
    try:
        leaf = x509.load_pem_x509_certificate(certificate)
        public = load_pem_private_key(key, password=None).public_key()
    except (ValueError, TypeError, x509.UnsupportedGeneralNameType) as error:
        raise RefusedKubeconfig("client-certificate-data", "or its key cannot be read") from error
    if leaf.public_key() != public:
        raise RefusedKubeconfig("client-key-data", "does not belong to the certificate")
    return certificate, key
