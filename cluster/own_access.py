"""The operator's own access to a cluster, as kubectl would have it, and a pod's to its own."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.access import Access
from cluster.kubeconfig_fields import (
    RefusedKubeconfig,
    certificates,
    decoded,
    entries,
    mapping,
    parsed,
    refuse_insecure,
    server_url,
    text,
    visible_token,
)

LARGEST = 16 << 20
"""Operators keep hundreds of clusters in one file."""

SERVICE_ACCOUNT_DIRECTORY = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def local(
    path: Path | None = None,
    context: str | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
) -> Access:
    """
    The operator's own access: of *path*, else of the files in $KUBECONFIG, else of ~/.kube/config,
    else of the pod we run in; the current context unless *context* names one.

    Files and exec plugins are honoured; proxies, basic authentication and unverified TLS are not.
    Raises RefusedKubeconfig, FileNotFoundError if there is nothing at all, OSError.
    """
    paths = _paths(path, environment)
    if not paths:
        if environment.get("KUBERNETES_SERVICE_HOST"):
            return in_cluster(environment=environment)
        raise FileNotFoundError("no kubeconfig: name one with --kubeconfig or $KUBECONFIG")
    merged = _Merged()
    for file in paths:
        merged.add(mapping(parsed(file.read_bytes(), largest=LARGEST), str(file)), file.parent)
    name = context or merged.current
    if not name:
        raise RefusedKubeconfig("current-context", "is not set; name one with --context")
    chosen, _ = merged.find("contexts", name)
    cluster, cluster_directory = merged.find("clusters", text(chosen, "cluster"))
    user, user_directory = merged.find("users", text(chosen, "user")) if chosen.get("user") else ({}, Path())
    refuse_insecure(cluster)
    for field, part in (("proxy-url", cluster), ("auth-provider", user), ("username", user)):
        if part.get(field):
            raise RefusedKubeconfig(field, "is not supported")
    ca = _data_or_file(cluster, "certificate-authority", cluster_directory)
    certificate = _data_or_file(user, "client-certificate", user_directory)
    key = _data_or_file(user, "client-key", user_directory)
    token = user.get("token")
    token_file = user.get("tokenFile")
    plugin = user.get("exec")
    return Access(
        server=server_url(text(cluster, "server"), allow_loopback=True),
        ca_data=certificates(ca) if ca else b"",
        token=visible_token(token) if token else None,
        client_certificate=certificate,
        client_key=key,
        name=name,
        token_file=user_directory / token_file if token_file and not token else None,
        exec_plugin=_plugin(mapping(plugin, "exec"), user_directory) if plugin else None,
        tls_server_name=text(cluster, "tls-server-name", default=""),
        namespace=text(chosen, "namespace", default=""),
    )


def in_cluster(
    directory: Path = SERVICE_ACCOUNT_DIRECTORY, *, environment: Mapping[str, str] = os.environ
) -> Access:
    """
    The access of the pod we run in, from the files in its *directory*.

    Raises RefusedKubeconfig where this is no pod, OSError where a file is missing.
    """
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise RefusedKubeconfig("KUBERNETES_SERVICE_HOST", "is not set: this does not run in a pod")
    bracketed = f"[{host}]" if ":" in host else host
    namespace = directory / "namespace"
    try:
        ca = (directory / "ca.crt").read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{error.filename} is not there: this pod has no service account token "
            "(automountServiceAccountToken), nor a --kubeconfig"
        ) from error
    return Access(
        server=server_url(f"https://{bracketed}:{port}", allow_loopback=True),
        ca_data=certificates(ca),
        name="in-cluster",
        token_file=directory / "token",
        namespace=namespace.read_text().strip() if namespace.exists() else "",
    )


def _data_or_file(part: Mapping[str, Any], field: str, directory: Path) -> bytes | None:
    """`FIELD-data`, else the file named by `FIELD`, as kubectl has it."""
    if part.get(f"{field}-data"):
        return decoded(part, f"{field}-data")
    if part.get(field):
        return (directory / text(part, field)).read_bytes()
    return None


def _plugin(plugin: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """What to run: nulls left out, a command with a slash in it taken from beside the kubeconfig."""
    said = {field: value for field, value in plugin.items() if value not in ("", "null", "~")}
    command = text(said, "command")
    return {**said, "command": str(directory / command) if "/" in command else command}


def _paths(path: Path | None, environment: Mapping[str, str]) -> list[Path]:
    if path is not None:
        return [path]
    if listed := environment.get("KUBECONFIG"):
        # As kubectl: files that are not there are passed over, unless none is.
        named = [Path(name) for name in listed.split(os.pathsep) if name]
        return [file for file in named if file.exists()] or named[:1]
    home = Path(environment.get("HOME", "/nonexistent")) / ".kube" / "config"
    return [home] if home.exists() else []


class _Merged:
    """Several kubeconfigs as one: whatever is named twice is the first one's."""

    def __init__(self) -> None:
        self.current = ""
        self._parts: dict[tuple[str, str], tuple[dict[str, Any], Path]] = {}

    def add(self, document: Mapping[str, Any], directory: Path) -> None:
        self.current = self.current or text(document, "current-context", default="")
        for plural, singular in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
            for name, part in entries(document, plural, singular):
                self._parts.setdefault((plural, name), (part, directory))

    def find(self, plural: str, name: str) -> tuple[dict[str, Any], Path]:
        """The part of that name, and the directory to which its paths are relative."""
        found = self._parts.get((plural, name))
        if found is None:
            raise RefusedKubeconfig(plural, f"there is no {name!r}")
        return found
