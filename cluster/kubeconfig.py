"""
Kubeconfigs. One in a Link's Secret is written by whoever may write that Secret, and to a client that
takes all of the format it is code: it runs programs, reads files, sends what it reads elsewhere.
So there are two readers: `strict` knows a handful of keys and refuses every other by name; `local`
reads the operator's own, files and plugins included.
"""

import base64
import binascii
import os
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cluster.access import Access
from process.address import is_ip, refused_range

__all__ = ["Access", "RefusedKubeconfig", "in_cluster", "local", "render", "strict"]

LARGEST = 256 * 1024
SERVICE_ACCOUNT_DIRECTORY = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class RefusedKubeconfig(Exception):
    """A kubeconfig that we do not use; `field` names the part that is why."""

    reason = "kubeconfig_refused"

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(f"{field}: {sentence}")
        self.field = field


def strict(kubeconfig: bytes, *, allow_loopback: bool = False) -> Access:
    """
    The access that a Link's *kubeconfig* gives.

    One cluster, https with CA data, a token or an inline client certificate; nothing else is known.
    No file is read, nothing is run, no name is resolved. Raises RefusedKubeconfig.
    """
    document = _mapping(_parsed(kubeconfig), "kubeconfig")
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
    if _text(document, "current-context", default=context_name) != context_name:
        raise RefusedKubeconfig("current-context", "names no context of this file")
    for field, named, is_there in (("cluster", cluster_name, context), ("user", user_name, context)):
        if _text(is_there, field) != named:
            raise RefusedKubeconfig(f"context.{field}", f"names no {field} of this file")

    _refuse_insecure(cluster)
    _known(
        cluster,
        "cluster",
        {"server", "certificate-authority-data", "insecure-skip-tls-verify", "disable-compression"},
    )
    _known(user, "user", {"token", "client-certificate-data", "client-key-data"})
    if "certificate-authority-data" not in cluster:
        raise RefusedKubeconfig("certificate-authority-data", "is missing; a Link's server needs its own CA")
    certificate, key = _client_certificate(user)
    token = _token(_text(user, "token")) if "token" in user else None
    if (token is None) == (certificate is None):
        raise RefusedKubeconfig("user", "needs a token or a client certificate with its key, one of the two")
    return Access(
        server=_server(_text(cluster, "server"), allow_loopback=allow_loopback),
        ca_data=_ca(_base64(cluster, "certificate-authority-data")),
        token=token,
        client_certificate=certificate,
        client_key=key,
        name=cluster_name,
        namespace=_text(context, "namespace", default=""),
    )


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
        merged.add(_mapping(_parsed(file.read_bytes()), str(file)), file.parent)
    name = context or merged.current
    if not name:
        raise RefusedKubeconfig("current-context", "is not set; name one with --context")
    chosen, _ = merged.find("contexts", name)
    cluster, cluster_directory = merged.find("clusters", _text(chosen, "cluster"))
    user, user_directory = merged.find("users", _text(chosen, "user")) if chosen.get("user") else ({}, Path())
    _refuse_insecure(cluster)
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
        server=_server(_text(cluster, "server"), allow_loopback=True),
        ca_data=_ca(ca) if ca else b"",
        token=_token(token) if token else None,
        client_certificate=certificate,
        client_key=key,
        name=name,
        token_file=user_directory / token_file if token_file and not token else None,
        exec_plugin=_mapping(plugin, "exec") if plugin else None,
        tls_server_name=_text(cluster, "tls-server-name", default=""),
        namespace=_text(chosen, "namespace", default=""),
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
    return Access(
        server=_server(f"https://{bracketed}:{port}", allow_loopback=True),
        ca_data=_ca((directory / "ca.crt").read_bytes()),
        name="in-cluster",
        token_file=directory / "token",
        namespace=namespace.read_text().strip() if namespace.exists() else "",
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


class _Loader(yaml.BaseLoader):
    """
    Texts, lists and mappings only.

    A token that looks like a number stays a text; no tag constructs anything; aliases (which can make
    a small file huge) and keys said twice (of which two readers may choose differently) are refused.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it uses aliases")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        keys = [key.value for key, _ in node.value]
        if not all(isinstance(key, str) for key in keys) or len(set(keys)) < len(keys):
            raise yaml.YAMLError("a key is said twice, or is no text")
        return super().construct_mapping(node, deep)


def _parsed(kubeconfig: bytes) -> object:
    if len(kubeconfig) > LARGEST:
        raise RefusedKubeconfig("kubeconfig", f"is larger than {LARGEST} bytes")
    try:
        return yaml.load(kubeconfig, Loader=_Loader)  # noqa: S506 - it constructs texts only
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # PyYAML quotes the line it stumbles over, which may hold a secret.
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where is not None else ""
        raise RefusedKubeconfig("kubeconfig", f"is not plain YAML{line}") from None


def _mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RefusedKubeconfig(where, "is not a mapping")
    return value


def _text(part: Mapping[str, Any], field: str, default: str | None = None) -> str:
    value = part.get(field, default)
    if value is None:
        raise RefusedKubeconfig(field, "is missing")
    if not isinstance(value, str):
        raise RefusedKubeconfig(field, "is not a text")
    return value


def _known(part: Mapping[str, Any], where: str, fields: set[str]) -> None:
    for field in part:
        if field not in fields:
            raise RefusedKubeconfig(field[:64], f"has no place in the {where} of a Link")


def _check_head(document: Mapping[str, Any]) -> None:
    if _text(document, "apiVersion", default="v1") != "v1":
        raise RefusedKubeconfig("apiVersion", "is not v1")
    if _text(document, "kind", default="Config") != "Config":
        raise RefusedKubeconfig("kind", "is not Config")


def _entries(document: Mapping[str, Any], plural: str, singular: str) -> Sequence[tuple[str, dict[str, Any]]]:
    entries = document.get(plural, [])
    if entries in ("", "null", "~"):
        return ()
    if not isinstance(entries, list):
        raise RefusedKubeconfig(plural, "is not a list")
    mappings = [_mapping(entry, plural) for entry in entries]
    return [(_text(entry, "name"), _mapping(entry.get(singular) or {}, singular)) for entry in mappings]


def _only(document: Mapping[str, Any], plural: str, singular: str) -> tuple[str, dict[str, Any]]:
    entries = _entries(document, plural, singular)
    if len(entries) != 1:
        raise RefusedKubeconfig(plural, f"has {len(entries)} entries; a Link's kubeconfig has one")
    return entries[0]


def _refuse_insecure(cluster: Mapping[str, Any]) -> None:
    if cluster.get("insecure-skip-tls-verify", "false") not in ("false", ""):
        raise RefusedKubeconfig("insecure-skip-tls-verify", "an unverified server could be anybody's")


def _server(url: str, *, allow_loopback: bool) -> str:
    """*url* without a slash at its end. Raises RefusedKubeconfig."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise RefusedKubeconfig("server", "is not a URL") from error
    if parts.scheme != "https":
        raise RefusedKubeconfig("server", "is not https")
    if not host or parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise RefusedKubeconfig("server", "is not of the form https://host:port")
    if not _VISIBLE.fullmatch(url) or "\\" in url:
        raise RefusedKubeconfig("server", "has characters that no URL has")
    _check_host(host.rstrip("."), allow_loopback=allow_loopback)
    return url.rstrip("/")


def _check_host(host: str, *, allow_loopback: bool) -> None:
    if is_ip(host):
        refused = refused_range(host, allow_loopback=allow_loopback)
        if refused:
            raise RefusedKubeconfig("server", f"is {refused}")
    elif host == "localhost" or host.endswith(".localhost"):
        if not allow_loopback:
            raise RefusedKubeconfig("server", "is a loopback address")
    elif _is_odd_ipv4(host):
        raise RefusedKubeconfig("server", "is an address in a form that hides it")


def _is_odd_ipv4(host: str) -> bool:
    """Whether the resolver takes *host* for an address in disguise: 0x7f.1, 2130706433."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True


def _token(token: object) -> str:
    if not isinstance(token, str) or not _VISIBLE.fullmatch(token) or len(token) > 16 * 1024:
        raise RefusedKubeconfig("token", "is not a token: visible ASCII, up to 16 KiB")
    return token


def _base64(part: Mapping[str, Any], field: str) -> bytes:
    try:
        return base64.b64decode("".join(_text(part, field).split()), validate=True)
    except (binascii.Error, ValueError):
        raise RefusedKubeconfig(field, "is not base64") from None


def _ca(pem: bytes) -> bytes:
    try:
        certificates = x509.load_pem_x509_certificates(pem)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem.decode("ascii"))
    except (ValueError, ssl.SSLError) as error:
        raise RefusedKubeconfig("certificate-authority-data", "holds no certificates in PEM") from error
    if len(certificates) > 100:
        raise RefusedKubeconfig("certificate-authority-data", "holds more than 100 certificates")
    return pem


def _client_certificate(user: Mapping[str, Any]) -> tuple[bytes | None, bytes | None]:
    """Certificate and key, or neither. Raises RefusedKubeconfig where they are not a pair."""
    fields = ("client-certificate-data", "client-key-data")
    missing = [field for field in fields if field not in user]
    if len(missing) == 2:
        return None, None
    if missing:
        raise RefusedKubeconfig(missing[0], "is missing beside the other")
    certificate, key = (_base64(user, field) for field in fields)
    try:
        leaf = x509.load_pem_x509_certificate(certificate)
        public = load_pem_private_key(key, password=None).public_key()
    except (ValueError, TypeError, x509.UnsupportedGeneralNameType) as error:
        raise RefusedKubeconfig("client-certificate-data", "or its key cannot be read") from error
    if leaf.public_key() != public:
        raise RefusedKubeconfig("client-key-data", "does not belong to the certificate")
    return certificate, key


def _data_or_file(part: Mapping[str, Any], field: str, directory: Path) -> bytes | None:
    """`FIELD-data`, else the file named by `FIELD`, as kubectl has it."""
    if part.get(f"{field}-data"):
        return _base64(part, f"{field}-data")
    if part.get(field):
        return (directory / _text(part, field)).read_bytes()
    return None


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
        self.current = self.current or _text(document, "current-context", default="")
        for plural, singular in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
            for name, part in _entries(document, plural, singular):
                self._parts.setdefault((plural, name), (part, directory))

    def find(self, plural: str, name: str) -> tuple[dict[str, Any], Path]:
        """The part of that name, and the directory to which its paths are relative."""
        found = self._parts.get((plural, name))
        if found is None:
            raise RefusedKubeconfig(plural, f"there is no {name!r}")
        return found


_VISIBLE = re.compile(r"[!-~]+")
