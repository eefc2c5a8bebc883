"""
Routes and targets from TOML files: both ends without any cluster.

One function each; what a file says becomes our values, or one error that names every mistake in it.
"""

import tomllib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

from certs.identity import Identity, InvalidIdentity
from gateway.messages import is_cluster, is_service
from gateway.routes import Protocol, Route, RouteTable, Target, TargetTable
from process.address import Address

_T = TypeVar("_T")
_SUFFIX = "svc"
_OURS: Protocol = "jackstay/1"


class InvalidFile(Exception):
    """A file is not what it should be; `str()` names each mistake on a line of its own."""


class _Mistakes:
    """Collects what is wrong while a file is read."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def taken(self, where: str, table: Mapping[str, Any], key: str, read: Callable[[Any], _T]) -> _T | None:
        """`read(table[key])`, or None if it is missing or wrong, which is then written down."""
        if key not in table:
            self.found.append(f"{where}: {key} is missing")
            return None
        return self.optional(where, table, key, read, None)

    def optional(
        self, where: str, table: Mapping[str, Any], key: str, read: Callable[[Any], _T], default: _T
    ) -> _T:
        if key not in table:
            return default
        try:
            return read(table[key])
        except ValueError as error:
            self.found.append(f"{where}: {key}: {error}")
            return default

    def unknown(self, where: str, table: Mapping[str, Any], *known: str) -> None:
        self.found += [
            f"{where}: {key!r} is not known here; known are {', '.join(known)}"
            for key in sorted(table.keys() - set(known))
        ]


def read_routes(text: str, *, zone: str = "") -> RouteTable:
    """What a gateway exports, which is itself in *zone* ("" if that is not known). Raises InvalidFile."""
    mistakes = _Mistakes()
    file = _parse(text)
    mistakes.unknown("the file", file, "allow-loopback-backends", "export")
    allow_loopback = mistakes.optional("the file", file, "allow-loopback-backends", _boolean, False)
    routes = [_route(mistakes, number, table, zone) for number, table in _tables(mistakes, file, "export")]
    _twice(mistakes, [f"{route.service}:{route.port}" for route in routes if route is not None])
    _raise(mistakes)
    return RouteTable.of((route for route in routes if route is not None), allow_loopback=allow_loopback)


def read_targets(text: str) -> TargetTable:
    """What an outbound proxy offers, by the address where it listens. Raises InvalidFile."""
    mistakes = _Mistakes()
    file = _parse(text)
    mistakes.unknown("the file", file, "target")
    found = [_target(mistakes, number, table) for number, table in _tables(mistakes, file, "target")]
    targets = [one for one in found if one is not None]
    _twice(mistakes, [str(listen) for listen, _ in targets])
    _raise(mistakes)
    return TargetTable.of(dict(targets))


def _route(mistakes: _Mistakes, number: int, table: Mapping[str, Any], own_zone: str) -> Route | None:
    where = f"export {number}"
    mistakes.unknown(
        where, table, "service", "port", "endpoints", "zones", "allow-identities", "proxy-protocol",
        "accept-bare-fin", "session-affinity",
    )  # fmt: skip
    service = mistakes.taken(where, table, "service", _service)
    port = mistakes.taken(where, table, "port", _port)
    endpoints = mistakes.taken(where, table, "endpoints", _addresses)
    zones: tuple[str, ...] = mistakes.optional(where, table, "zones", _zones_of(table.get("endpoints")), ())
    allow = mistakes.optional(where, table, "allow-identities", _identities, None)
    version = mistakes.optional(where, table, "proxy-protocol", _proxy_protocol, False)
    bare_fin = mistakes.optional(where, table, "accept-bare-fin", _boolean, False)
    sticky = mistakes.optional(where, table, "session-affinity", _affinity, False)
    if service is None or port is None or endpoints is None:
        return None
    near = tuple(one for one, zone in zip(endpoints, zones, strict=False) if own_zone and zone == own_zone)
    return Route(
        service, port, endpoints, allow, accept_bare_fin=bare_fin, proxy_protocol=version, near=near,
        sticky=sticky,
    )  # fmt: skip


def _target(mistakes: _Mistakes, number: int, table: Mapping[str, Any]) -> tuple[Address, Target] | None:
    where = f"target {number}"
    known = ("listen", "service", "port", "gateways", "gateway-identity", "cluster", "protocol")
    mistakes.unknown(where, table, *known)
    listen = mistakes.taken(where, table, "listen", _address)
    service = mistakes.taken(where, table, "service", _service)
    port = mistakes.taken(where, table, "port", _port)
    gateways = mistakes.taken(where, table, "gateways", _addresses)
    identity = mistakes.taken(where, table, "gateway-identity", _identity)
    cluster = mistakes.optional(where, table, "cluster", _cluster, "")
    protocol: Protocol = mistakes.optional(where, table, "protocol", _protocol, _OURS)
    if listen is None or service is None or port is None or gateways is None or identity is None:
        return None
    return listen, Target(service, port, gateways, identity, cluster, protocol)


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number, or a nesting, that is too much for Python
        raise InvalidFile(f"it is not TOML: {error}") from error


def _tables(mistakes: _Mistakes, file: Mapping[str, Any], key: str) -> list[tuple[int, Mapping[str, Any]]]:
    tables = file.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        mistakes.found.append(f"{key} is written as [[{key}]], once for each")
        return []
    return list(enumerate(tables, 1))


def _twice(mistakes: _Mistakes, names: list[str]) -> None:
    mistakes.found += [
        f"{name} stands there twice" for name in sorted({n for n in names if names.count(n) > 1})
    ]


def _raise(mistakes: _Mistakes) -> None:
    if mistakes.found:
        raise InvalidFile("\n".join(mistakes.found))


# Readers of one value each. They raise ValueError with what it should have been.


def _each(values: list[Any], read: Callable[[Any], _T]) -> tuple[_T, ...]:
    """All *values* as *read* has them; the error names every one that is wrong."""
    taken, mistakes = list[_T](), list[str]()
    for value in values:
        try:
            taken.append(read(value))
        except ValueError as error:
            mistakes.append(str(error))
    if mistakes:
        raise ValueError("; ".join(mistakes))
    return tuple(taken)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is not a text")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")  # noqa: TRY004  # one kind of error here
    return value


def _port(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= 65535:
        raise ValueError(f"{value!r} is not a port from 1 to 65535")
    return value


def _service(value: Any) -> str:
    """`podinfo.test.svc.cluster.local`, lower-case, and such that a peer may ask for it."""
    name = _text(value)
    labels = name.lower().split(".")
    if not is_service(name) or len(labels) < 4 or labels[2] != _SUFFIX:
        raise ValueError(f"{value!r} is not written as NAME.NAMESPACE.svc.CLUSTER-DOMAIN")
    return name.lower()


def _cluster(value: Any) -> str:
    name = _text(value)
    if not is_cluster(name):
        raise ValueError(f"{value!r} is not 1 to 253 letters, digits and inner hyphens, dots or underscores")
    return name


def _address(value: Any) -> Address:
    return Address.parse(_text(value))


def _addresses(value: Any) -> tuple[Address, ...]:
    if not isinstance(value, list):
        raise ValueError(f'{value!r} is not a list such as ["10.0.0.1:9898"]')  # noqa: TRY004
    return _each(value, _destination)


def _zones_of(endpoints: Any) -> Callable[[Any], tuple[str, ...]]:
    """Reads a list of zones, one for each of *endpoints* as the file has them."""

    def read(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValueError(f'{value!r} is not a list such as ["a", "b"]')  # noqa: TRY004
        zones = _each(value, _zone)
        if isinstance(endpoints, list) and len(zones) != len(endpoints):  # else that is what is wrong
            raise ValueError(
                f'{len(zones)} for {len(endpoints)} endpoints; write one for each, "" where it is not known'
            )
        return zones

    return read


def _zone(value: Any) -> str:
    """As nodes are labelled; "" if it is not known."""
    return value if value == "" else _text(value)


def _destination(value: Any) -> Address:
    address = _address(value)
    if not address.port or not address.host:
        raise ValueError(f"{address} names no host and port to connect to")
    return address


def _identity(value: Any) -> str:
    try:
        return Identity.parse(_text(value)).dns_name
    except InvalidIdentity as error:
        raise ValueError(str(error)) from error


def _identities(value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is not a list of identities")  # noqa: TRY004
    return _each(value, _pattern)


def _pattern(value: Any) -> str:
    """An identity, or one whose first label is `*`."""
    if isinstance(value, str) and value.startswith("*."):
        return "*." + _identity("any." + value[2:]).removeprefix("any.")
    return _identity(value)


def _proxy_protocol(value: Any) -> bool:
    if value != "v2":
        raise ValueError(f'{value!r} is not "v2"')
    return True


def _affinity(value: Any) -> bool:
    if value not in ("ClientIP", "None"):
        raise ValueError(f'{value!r} is neither "ClientIP" nor "None"')
    return bool(value == "ClientIP")


def _protocol(value: Any) -> Protocol:
    if value not in get_args(Protocol):
        raise ValueError(f"{value!r} is none of {', '.join(get_args(Protocol))}")
    known: Protocol = value
    return known
