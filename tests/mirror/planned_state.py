"""
The state that ought to be reached, told a second time and more simply than the mirror does: what is wrong
with a cluster once nothing is left to be done.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, SERVICE, Kind
from cluster.metadata import Raw
from cluster.objects import Key, Service
from mirror import marks
from mirror.naming import mirror_key

Place = tuple[Kind, Key]
Held = Mapping[Kind, Mapping[Key, Raw]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the other cluster has, and what the Link asks for."""

    services: Mapping[Key, Service]
    ready: Mapping[Key, int]
    gateway: Mapping[str, bool]
    """Each of its addresses, and whether it lives."""

    exported: tuple[str, str]
    """The label that exports."""

    link_uid: str
    cluster: str
    only: frozenset[str]
    """The namespaces that the Link names; empty: all."""

    namespaces: frozenset[str]
    """In which something can be made here."""


def mistakes(held: Held, theirs: Mapping[Place, Raw], asked: Asked) -> list[str]:
    """What is not as it ought to be in a cluster that holds *held*, of which *theirs* is the user's."""
    found: list[str] = []
    standing: set[Key] = set()
    label, value = asked.exported
    for key, service in asked.services.items():
        is_named = not asked.only or key.namespace in asked.only
        if service.metadata.labels.get(label) != value or not is_named:
            continue
        place = mirror_key(key, asked.cluster)
        if not _fits(service) or key.namespace not in asked.namespaces:
            standing.add(place)
            found += _of_one_that_waits(place, held, theirs, asked)
        elif (SERVICE, place) not in theirs:
            standing.add(place)
            found += _of_a_mirror(place, service, held, theirs, asked)
    for kind, there in held.items():
        for key, raw in there.items():
            if (kind, key) not in theirs and _is_proven(raw, asked):
                place = _mirror_of(kind, key, raw)
                if place not in standing:
                    found.append(f"{kind.kind} {key} is left behind")
    return found


def _fits(service: Service) -> bool:
    is_mirror = service.metadata.labels.get(marks.MIRRORED_SERVICE) == "true"
    return bool(service.ports) and service.type != "ExternalName" and not is_mirror


def _is_proven(raw: Raw, asked: Asked) -> bool:
    """Whether the mirror could know this one as its own: who took its marks away has made it his."""
    metadata = raw["metadata"]
    labels, annotations = metadata.get("labels", {}), metadata.get("annotations", {})
    return (
        labels.get(marks.LINK_UID) == asked.link_uid
        and labels.get(marks.MIRRORED_SERVICE) == "true"
        and labels.get(marks.CLUSTER_NAME) == asked.cluster
        and marks.REMOTE_NAME in annotations
    )


def _mirror_of(kind: Kind, key: Key, raw: Raw) -> Key:
    name = raw["metadata"]["labels"].get(marks.SLICE_SERVICE, "") if kind == ENDPOINT_SLICE else key.name
    return Key(key.namespace, name)


def _of_one_that_waits(place: Key, held: Held, theirs: Mapping[Place, Raw], asked: Asked) -> Iterator[str]:
    """A Service that is exported and cannot be mirrored: a mirror that there was stays, and leads nowhere."""
    endpoints = held[ENDPOINTS].get(place)
    is_ours = endpoints is not None and (ENDPOINTS, place) not in theirs and _is_proven(endpoints, asked)
    if endpoints is not None and is_ours and endpoints.get("subsets"):
        yield f"Endpoints {place} are not empty, and their service cannot be mirrored"


def _of_a_mirror(
    place: Key, service: Service, held: Held, theirs: Mapping[Place, Raw], asked: Asked
) -> Iterator[str]:
    raw = held[SERVICE].get(place)
    if raw is None:
        if (ENDPOINTS, place) not in theirs:  # they would become those of a Service that we make
            yield f"Service {place} is missing"
        return
    made = Service.from_dict(raw)
    if [(port.port, port.name) for port in made.ports] != [(port.port, port.name) for port in service.ports]:
        yield f"Service {place} has the ports {made.ports}"
    if made.metadata.labels.get("app") != service.metadata.labels.get("app"):
        yield f"Service {place} has the labels {made.metadata.labels}"
    if not _is_proven(raw, asked):
        yield f"Service {place} lacks marks: {made.metadata}"
    gateway = asked.gateway if asked.ready.get(service.metadata.key) else {}
    if (ENDPOINTS, place) not in theirs and (shown := _in_endpoints(held[ENDPOINTS].get(place))) != gateway:
        yield f"Endpoints {place} show {shown}, not {gateway}"
    parts = {
        key: part
        for key, part in held[ENDPOINT_SLICE].items()
        if (ENDPOINT_SLICE, key) not in theirs
        and part["metadata"].get("labels", {}).get(marks.SLICE_SERVICE) == place.name
        and part["metadata"]["labels"].get(marks.LINK_UID) == asked.link_uid  # not one of a Link that was
        and key.namespace == place.namespace
    }
    blocked = {
        key.name for kind, key in theirs if kind == ENDPOINT_SLICE and key.namespace == place.namespace
    }
    wanted = {
        ip: alive
        for ip, alive in gateway.items()
        if f"{place.name}-{'ipv6' if ':' in ip else 'ipv4'}" not in blocked
    }
    in_slices = {
        ip: endpoint["conditions"]["ready"]
        for part in parts.values()
        for endpoint in part.get("endpoints") or ()  # a real API server says null for none
        for ip in endpoint["addresses"]
    }
    if in_slices != wanted:
        yield f"the slices of {place} show {in_slices}, not {wanted}"
    families = {"ipv6" if ":" in ip else "ipv4" for ip in asked.gateway}
    names = {f"{place.name}-{family}" for family in families} - blocked
    if {key.name for key in parts} != names:
        yield f"the slices of {place} are {sorted(parts)}, not {sorted(names)}"


def _in_endpoints(raw: Any) -> dict[str, bool] | None:
    if raw is None:
        return None
    return {
        address["ip"]: kind == "addresses"
        for subset in raw.get("subsets") or ()
        for kind in ("addresses", "notReadyAddresses")
        for address in subset.get(kind) or ()
    }
