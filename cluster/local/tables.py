"""
The Table format: what `kubectl get` shows of a kind. Pure; the time comes in as an argument.

A column is a name and a function from an object to a cell; the rows of `resources` list them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from cluster.metadata import Raw

# Any: cells are JSON scalars, and objects are read here as they were stored.
Cell = str | int
Include = Literal["None", "Metadata", "Object"]

NOTHING = "<none>"


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    cell: Callable[[Raw, datetime], Cell]
    type: str = "string"
    wide: bool = False
    """Whether it is shown only by `-o wide`."""

    description: str = ""


def table(
    columns: Sequence[Column], items: Iterable[Raw], now: datetime, include: Include, metadata: Raw
) -> Raw:
    """*items* as a Table; *metadata* is the listing's."""
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": [_row(columns, item, now, include) for item in items],
    }


def _definition(column: Column) -> Raw:
    return {
        "name": column.name,
        "type": column.type,
        "format": "name" if column.name == "Name" else "",
        "description": column.description,
        "priority": 1 if column.wide else 0,
    }


def _row(columns: Sequence[Column], item: Raw, now: datetime, include: Include) -> Raw:
    row: Raw = {"cells": [_cell(column, item, now) for column in columns]}
    if include == "Object":
        row["object"] = item
    elif include == "Metadata":
        row["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": item["metadata"],
        }
    return row


def _cell(column: Column, item: Raw, now: datetime) -> Cell:
    try:
        return column.cell(item, now)
    except (AttributeError, TypeError, ValueError):  # a status of odd form must not hide the others
        return "<unknown>"


def at(*path: str, absent: Cell = NOTHING) -> Callable[[Raw, datetime], Cell]:
    """A cell that shows the field at *path*."""

    def cell(item: Raw, now: datetime) -> Cell:
        value = look(item, *path)
        if isinstance(value, bool):
            return str(value).lower()
        return value if isinstance(value, (str, int)) and value != "" else absent

    return cell


def count(field: str) -> Callable[[Raw, datetime], Cell]:
    """A cell that shows how many things the field has."""
    return lambda item, now: len(look(item, field) or ())


def look(item: object, *path: str) -> Any:
    """The value at *path*, None if there is none."""
    for name in path:
        item = item.get(name) if isinstance(item, Mapping) else None
    return item


def age(moment: object, now: datetime) -> str:
    """How long ago *moment* was, as kubectl writes it: 7s, 3m20s, 4h, 12d."""
    if not isinstance(moment, str):
        return "<unknown>"
    seconds = max(0, int((now - datetime.fromisoformat(moment)).total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return _pair(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _pair(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _pair(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _pair(days // 365, "y", days % 365, "d")


def _pair(large: int, unit: str, small: int, below: str) -> str:
    return f"{large}{unit}{small}{below}" if small else f"{large}{unit}"


NAME = Column("Name", at("metadata", "name"))
AGE = Column("Age", lambda item, now: age(look(item, "metadata", "creationTimestamp"), now))


def listed(texts: Iterable[object], most: int | None = None) -> str:
    """*texts* with commas; beyond *most* only how many more there are."""
    shown = [str(text) for text in texts]
    if most is not None and len(shown) > most:
        return f"{','.join(shown[:most])} + {len(shown) - most} more..."
    return ",".join(shown) or NOTHING


def service_ports(item: Raw, now: datetime) -> str:
    ports = look(item, "spec", "ports") or ()
    return listed(f"{port.get('port')}/{port.get('protocol', 'TCP')}" for port in ports)


def external_ip(item: Raw, now: datetime) -> str:
    if look(item, "spec", "type") == "ExternalName":
        return str(look(item, "spec", "externalName"))
    ingress = look(item, "status", "loadBalancer", "ingress") or ()
    given = [entry.get("ip") or entry.get("hostname") for entry in ingress]
    given += look(item, "spec", "externalIPs") or ()
    if not given and look(item, "spec", "type") == "LoadBalancer":
        return "<pending>"
    return listed(given)


def selector(item: Raw, now: datetime) -> str:
    labels = look(item, "spec", "selector") or {}
    return listed(f"{key}={value}" for key, value in (labels.get("matchLabels") or labels).items())


def endpoint_addresses(item: Raw, now: datetime) -> str:
    return listed(
        (
            f"{address.get('ip')}:{port['port']}" if port else address.get("ip")
            for subset in item.get("subsets") or ()
            for port in subset.get("ports") or (None,)
            for address in subset.get("addresses") or ()
        ),
        most=3,
    )


def slice_addresses(item: Raw, now: datetime) -> str:
    members = item.get("endpoints") or ()
    return listed((address for member in members for address in member.get("addresses") or ()), most=3)


def slice_ports(item: Raw, now: datetime) -> str:
    return listed((port.get("port", "*") for port in item.get("ports") or ()), most=3)


def node_addresses(item: Raw, now: datetime) -> str:
    return listed(one.get("address") for one in look(item, "status", "addresses") or ())


def ready_containers(item: Raw, now: datetime) -> str:
    states = look(item, "status", "containerStatuses") or ()
    containers = look(item, "spec", "containers") or ()
    return f"{sum(state.get('ready') is True for state in states)}/{len(containers)}"


def restarts(item: Raw, now: datetime) -> int:
    return sum(state.get("restartCount", 0) for state in look(item, "status", "containerStatuses") or ())


def ready_replicas(item: Raw, now: datetime) -> str:
    return f"{look(item, 'status', 'readyReplicas') or 0}/{look(item, 'spec', 'replicas') or 0}"


def last_seen(item: Raw, now: datetime) -> str:
    series = look(item, "series", "lastObservedTime")
    moment = series or item.get("lastTimestamp") or item.get("eventTime") or item.get("firstTimestamp")
    return age(moment, now)


def involved(item: Raw, now: datetime) -> str:
    about = item.get("involvedObject") or {}
    return f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"


def gateway_alive(item: Raw, now: datetime) -> str:
    alive = look(item, "status", "gateway", "alive")
    return str(alive) if isinstance(alive, bool) else "Unknown"


def gateway_latency(item: Raw, now: datetime) -> str:
    milliseconds = look(item, "status", "gateway", "latencyMilliseconds")
    return "-" if milliseconds is None else f"{milliseconds}ms"


def condition(type_: str) -> Callable[[Raw, datetime], Cell]:
    """A cell that shows the status of a condition."""

    def cell(item: Raw, now: datetime) -> Cell:
        conditions = look(item, "status", "conditions") or ()
        return next((found["status"] for found in conditions if found["type"] == type_), "Unknown")

    return cell
