"""The parts of a kubeconfig, read and checked; whoever refuses names the field. For both readers."""

import base64
import binascii
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import yaml
from cryptography import x509

from process.address import is_ip, refused_range


class RefusedKubeconfig(Exception):
    """A kubeconfig that we do not use; `field` names the part that is why."""

    reason = "kubeconfig_refused"

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(f"{field}: {sentence}")
        self.field = field
        self.sentence = sentence


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


def parsed(kubeconfig: bytes, *, largest: int) -> object:
    """What *kubeconfig* says, in texts, lists and mappings."""
    if len(kubeconfig) > largest:
        raise RefusedKubeconfig("kubeconfig", f"is larger than {largest} bytes")
    try:
        return yaml.load(kubeconfig, Loader=_Loader)  # noqa: S506 - it constructs texts only
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # PyYAML quotes the line it stumbles over, which may hold a secret.
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where is not None else ""
        raise RefusedKubeconfig("kubeconfig", f"is not plain YAML{line}") from None


def mapping(value: object, where: str) -> dict[str, Any]:
    """A mapping, or a refusal."""
    if not isinstance(value, dict):
        raise RefusedKubeconfig(where, "is not a mapping")
    return value


def text(part: Mapping[str, Any], field: str, default: str | None = None) -> str:
    """The text under *field*, *default* where it is absent; no default: it must be there."""
    value = part.get(field, default)
    if value is None:
        raise RefusedKubeconfig(field, "is missing")
    if not isinstance(value, str):
        raise RefusedKubeconfig(field, "is not a text")
    return value


def entries(document: Mapping[str, Any], plural: str, singular: str) -> Sequence[tuple[str, dict[str, Any]]]:
    """The named parts in the list *plural*, each with its name."""
    listed = document.get(plural, [])
    if listed in ("", "null", "~"):
        return ()
    if not isinstance(listed, list):
        raise RefusedKubeconfig(plural, "is not a list")
    mappings = [mapping(entry, plural) for entry in listed]
    return [(text(entry, "name"), mapping(entry.get(singular) or {}, singular)) for entry in mappings]


def refuse_insecure(cluster: Mapping[str, Any]) -> None:
    """Nobody connects without knowing to whom."""
    if cluster.get("insecure-skip-tls-verify", "false") not in ("false", ""):
        raise RefusedKubeconfig("insecure-skip-tls-verify", "an unverified server could be anybody's")


def server_url(url: str, *, allow_loopback: bool) -> str:
    """*url* without a slash at its end: https, a host, perhaps a port and a path, nothing else."""
    if not url.startswith("https://"):
        raise RefusedKubeconfig("server", "is not https")
    if not _SERVER.fullmatch(url):
        raise RefusedKubeconfig("server", "is not of the form https://host:port")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise RefusedKubeconfig("server", "is not a URL") from error
    _check_host((host or "").rstrip("."), allow_loopback=allow_loopback)
    return url.rstrip("/")


def server_name(name: str) -> str:
    """*name*, under which a server's certificate is looked at instead of its address; "" for its address."""
    if name and not (is_ip(name) or _DNS_NAME.fullmatch(name)):
        raise RefusedKubeconfig("tls-server-name", "is neither a DNS name nor an address")
    return name


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


def visible_token(token: object) -> str:
    """*token*, which can stand in a header."""
    if not isinstance(token, str) or not _VISIBLE.fullmatch(token) or len(token) > 16 * 1024:
        raise RefusedKubeconfig("token", "is not a token: visible ASCII, up to 16 KiB")
    return token


def decoded(part: Mapping[str, Any], field: str) -> bytes:
    """The base64 under *field*, decoded."""
    try:
        return base64.b64decode("".join(text(part, field).split()), validate=True)
    except (binascii.Error, ValueError):
        raise RefusedKubeconfig(field, "is not base64") from None


def certificates(pem: bytes) -> bytes:
    """*pem*, which holds certificates that OpenSSL takes too."""
    try:
        found = x509.load_pem_x509_certificates(pem)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem.decode("ascii"))
    except (ValueError, ssl.SSLError) as error:
        raise RefusedKubeconfig("certificate-authority-data", "holds no certificates in PEM") from error
    if len(found) > 100:
        raise RefusedKubeconfig("certificate-authority-data", "holds more than 100 certificates")
    return pem


_VISIBLE = re.compile(r"[!-~]+")
_DNS_NAME = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.IGNORECASE
)
_SERVER = re.compile(
    r"https://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~-]+)*/?"
)
