"""
What is wrong with an object, field by field, in the words of the real API server.

Pure: every function takes the object (and, where a change is judged, the one before) and gives its
mistakes. A field of another type than it must have is a mistake too, never a crash: bodies come from
strangers.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cluster.local.names import dns_label, dns_subdomain, is_objects, is_text_map, is_texts, labels, numbered
from cluster.local.refusals import Mistake
from cluster.metadata import Raw
from process.address import is_ip, refused_range

# Any: fields of an object that nobody has looked at yet.


@dataclass(frozen=True, slots=True)
class Rules:
    """What one server allows and another does not."""

    allow_loopback: bool = False
    """Whether Endpoints and EndpointSlices may name addresses of this machine."""


Check = Callable[[Raw, Raw | None, Rules], Iterable[Mistake]]

PORT_NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?")
DATA_KEY = re.compile(r"[-._A-Za-z0-9]{1,253}")
MAX_DATA = 1024 * 1024
PROTOCOLS = ("SCTP", "TCP", "UDP")


def service(item: Raw, before: Raw | None, rules: Rules) -> Iterator[Mistake]:
    spec = item["spec"]
    kinds = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
    if spec.get("type") not in kinds:
        yield Mistake.unsupported("spec.type", spec.get("type"), kinds)
    yield from labels(spec.get("selector"), "spec.selector")
    if spec.get("type") == "ExternalName":
        target = spec.get("externalName")
        if not (isinstance(target, str) and target):
            yield Mistake.missing("spec.externalName")
        elif wrong := dns_subdomain(target.rstrip(".").lower()):
            yield Mistake.invalid("spec.externalName", target, wrong)
    ports = spec.get("ports") or []
    if not ports and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
        yield Mistake.missing("spec.ports")
    yield from _ports(ports, "spec.ports", required=True)
    for at, port in numbered(ports):
        yield from _target_port(port.get("targetPort"), f"spec.ports[{at}].targetPort")
    seen = [(port.get("port"), port.get("protocol")) for _, port in numbered(ports)]
    for at, pair in enumerate(seen):
        if pair in seen[:at]:
            yield Mistake.duplicate(f"spec.ports[{at}]", f"{pair[1]}/{pair[0]}")


def _target_port(value: object, field: str) -> Iterator[Mistake]:
    if isinstance(value, str):
        if not PORT_NAME.fullmatch(value):
            yield Mistake.invalid(field, value, "must be a port's name (at most 15 characters) or number")
    elif not _port(value):
        yield Mistake.invalid(field, value, BETWEEN)


def _ports(value: object, field: str, *, required: bool) -> Iterator[Mistake]:
    """Ports as Services, Endpoints and EndpointSlices have them."""
    if not isinstance(value, list):
        yield Mistake.invalid(field, value, "must be a list")
        return
    names: list[object] = []
    for at, port in enumerate(value):
        where = f"{field}[{at}]"
        if not isinstance(port, dict):
            yield Mistake.invalid(where, port, "must be an object")
            continue
        if port.get("port") is None and required:
            yield Mistake.missing(f"{where}.port")
        elif port.get("port") is not None and not _port(port["port"]):
            yield Mistake.invalid(f"{where}.port", port["port"], BETWEEN)
        if port.get("protocol", "TCP") not in PROTOCOLS:
            yield Mistake.unsupported(f"{where}.protocol", port.get("protocol"), PROTOCOLS)
        name = port.get("name") or ""
        if required and not name and len(value) > 1:
            yield Mistake.missing(f"{where}.name")
        elif name and (not isinstance(name, str) or dns_label(name)):
            yield Mistake.invalid(f"{where}.name", name, "must be a DNS-1123 label")
        if name in names and (name or not required):
            yield Mistake.duplicate(f"{where}.name", name)
        names.append(name)


BETWEEN = "must be between 1 and 65535, inclusive"


def _port(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535


def endpoints(item: Raw, before: Raw | None, rules: Rules) -> Iterator[Mistake]:
    subsets = item.get("subsets") or []
    if not is_objects(subsets):
        yield Mistake.invalid("subsets", subsets, "must be a list of objects")
        return
    for at, subset in enumerate(subsets):
        where = f"subsets[{at}]"
        if not (subset.get("addresses") or subset.get("notReadyAddresses")):
            yield Mistake.missing(where, "must specify `addresses` or `notReadyAddresses`")
        for field in ("addresses", "notReadyAddresses"):
            addresses = subset.get(field) or []
            if not is_objects(addresses):
                yield Mistake.invalid(f"{where}.{field}", addresses, "must be a list of objects")
                continue
            for number, address in enumerate(addresses):
                yield from _ip(address.get("ip"), f"{where}.{field}[{number}].ip", rules)
        yield from _ports(subset.get("ports") or [], f"{where}.ports", required=True)


def endpoint_slice(item: Raw, before: Raw | None, rules: Rules) -> Iterator[Mistake]:
    family = item.get("addressType")
    if not family:
        yield Mistake.missing("addressType")
    elif family not in ("FQDN", "IPv4", "IPv6"):
        yield Mistake.unsupported("addressType", family, ("FQDN", "IPv4", "IPv6"))
    elif before is not None and before.get("addressType") != family:
        yield Mistake.invalid("addressType", family, "field is immutable")
    members = item.get("endpoints") or []
    if not is_objects(members):
        yield Mistake.invalid("endpoints", members, "must be a list of objects")
        return
    if len(members) > 1000:
        yield Mistake("endpoints", f"Too many: {len(members)}: must have at most 1000 items")
    for at, member in enumerate(members):
        addresses = member.get("addresses")
        where = f"endpoints[{at}].addresses"
        if not is_texts(addresses) or not 1 <= len(addresses or ()) <= 100:
            yield Mistake.missing(where, "must contain 1 to 100 addresses")
            continue
        for number, address in enumerate(addresses):
            place = f"{where}[{number}]"
            if family == "FQDN":
                if wrong := dns_subdomain(address):
                    yield Mistake.invalid(place, address, wrong)
            elif is_ip(address) and (":" in address) != (family == "IPv6"):
                yield Mistake.invalid(place, address, f"must be an {family} address")
            else:
                yield from _ip(address, place, rules)
    yield from _ports(item.get("ports") or [], "ports", required=False)


def _ip(value: object, field: str, rules: Rules) -> Iterator[Mistake]:
    if not isinstance(value, str) or not is_ip(value):
        yield Mistake.invalid(field, value, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
    elif (found := refused_range(value, allow_loopback=rules.allow_loopback)) is not None:
        yield Mistake.invalid(field, value, f"may not be {found}")


def secret(item: Raw, before: Raw | None, rules: Rules) -> Iterator[Mistake]:
    if before is not None and before.get("type") != item.get("type"):
        yield Mistake.invalid("type", item.get("type"), "field is immutable")
    data = item.get("data") or {}
    if not is_text_map(data):
        yield Mistake.invalid("data", data, "must be a map of strings to base64")
        return
    yield from _data_keys(data)
    size = 0
    for key, text in data.items():
        try:
            size += len(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            yield Mistake.invalid(f"data[{key}]", text, "must be base64")
    if size > MAX_DATA:
        yield Mistake("data", f"Too long: may not be more than {MAX_DATA} bytes", "FieldValueTooLong")
    for key in _REQUIRED_KEYS.get(str(item.get("type")), ()):
        if key not in data:
            yield Mistake.missing(f"data[{key}]")


_REQUIRED_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}


def config_map(item: Raw, before: Raw | None, rules: Rules) -> Iterator[Mistake]:
    data = item.get("data") or {}
    if not is_text_map(data):
        yield Mistake.invalid("data", data, "must be a map of strings to strings")
        return
    yield from _data_keys(data)
    if sum(len(text.encode()) for text in data.values()) > MAX_DATA:
        yield Mistake("data", f"Too long: may not be more than {MAX_DATA} bytes", "FieldValueTooLong")


def _data_keys(data: Mapping[str, Any]) -> Iterator[Mistake]:
    for key in data:
        if not DATA_KEY.fullmatch(key):
            why = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
            yield Mistake.invalid(f"data[{key}]", key, why)


def lease(item: Raw, before: Raw | None, rules: Rules) -> Iterator[Mistake]:
    spec = item["spec"]
    for field, least in (("leaseDurationSeconds", 1), ("leaseTransitions", 0)):
        value = spec.get(field)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
            yield Mistake.invalid(f"spec.{field}", value, f"must be at least {least}")


def event(item: Raw, before: Raw | None, rules: Rules) -> Iterator[Mistake]:
    involved = item.get("involvedObject")
    if not isinstance(involved, dict):
        yield Mistake.missing("involvedObject")
    elif involved.get("namespace") and involved["namespace"] != item["metadata"].get("namespace"):
        yield Mistake.invalid(
            "involvedObject.namespace", involved["namespace"], "does not match event.namespace"
        )


def pod(item: Raw, before: Raw | None, rules: Rules) -> Iterator[Mistake]:
    yield from _pod_spec(item["spec"], "spec")


def deployment(item: Raw, before: Raw | None, rules: Rules) -> Iterator[Mistake]:
    spec = item["spec"]
    template = spec.get("template")
    if not isinstance(template, dict):
        yield Mistake.missing("spec.template")
        return
    below = template.get("spec")
    yield from _pod_spec(below if isinstance(below, dict) else {}, "spec.template.spec")
    selector = spec.get("selector")
    wanted = (selector.get("matchLabels") if isinstance(selector, dict) else None) or {}
    if not isinstance(selector, dict) or not (wanted or selector.get("matchExpressions")):
        yield Mistake.missing("spec.selector")
        return
    if before is not None and before["spec"].get("selector") != selector:
        yield Mistake.invalid("spec.selector", selector, "field is immutable")
    about = template.get("metadata")
    have = (about.get("labels") if isinstance(about, dict) else None) or {}
    if not is_text_map(wanted) or not is_text_map(have) or not wanted.items() <= have.items():
        yield Mistake.invalid(
            "spec.template.metadata.labels", have, "`selector` does not match template `labels`"
        )


def _pod_spec(spec: Mapping[str, Any], where: str) -> Iterator[Mistake]:
    containers = spec.get("containers") or []
    if not containers:
        yield Mistake.missing(f"{where}.containers")
    elif not is_objects(containers):
        yield Mistake.invalid(f"{where}.containers", containers, "must be a list of objects")
        return
    names: list[object] = []
    for at, container in enumerate(containers):
        for field in ("name", "image"):
            if not (isinstance(container.get(field), str) and container[field]):
                yield Mistake.missing(f"{where}.containers[{at}].{field}")
        if container.get("name") in names:
            yield Mistake.duplicate(f"{where}.containers[{at}].name", container.get("name"))
        names.append(container.get("name"))


def custom_resource_definition(item: Raw, before: Raw | None, rules: Rules) -> Iterator[Mistake]:
    spec = item["spec"]
    names = spec.get("names")
    if not isinstance(names, dict) or not names.get("plural") or not names.get("kind"):
        yield Mistake.missing("spec.names", "plural and kind")
    elif item["metadata"].get("name") != (wanted := f"{names['plural']}.{spec.get('group')}"):
        yield Mistake.invalid(
            "metadata.name",
            item["metadata"].get("name"),
            f'must be spec.names.plural+"."+spec.group: {wanted}',
        )
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        yield Mistake.unsupported("spec.scope", spec.get("scope"), ("Cluster", "Namespaced"))
    versions = spec.get("versions")
    if not versions or not is_objects(versions):
        yield Mistake.missing("spec.versions")
    elif [version.get("storage") for version in versions].count(True) != 1:
        yield Mistake.invalid(
            "spec.versions", "versions", "must have exactly one version marked as storage version"
        )


def nothing_more(item: Raw, before: Raw | None, rules: Rules) -> Iterable[Mistake]:
    """The check of kinds that have no rule of their own."""
    return ()
