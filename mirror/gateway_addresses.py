"""Where a gateway is: names resolved again and again, addresses sorted, each once, none that is refused."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from process.address import is_ip, refused_range


class Unresolved(Exception):
    """A name that led nowhere; the message says why."""

    reason = "unresolved"


class Resolver(Protocol):
    """Names to addresses."""

    async def __call__(self, host: str) -> Iterable[str]:
        """The addresses of *host*. Raises Unresolved."""
        ...


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a Link's hosts led to."""

    found: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By host. What a name last led to stays while it does not resolve."""

    mistakes: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """All of them, sorted, each once."""
        return tuple(sorted({ip for addresses in self.found.values() for ip in addresses}, key=_order))


async def resolve(
    hosts: tuple[str, ...], before: Resolved, resolver: Resolver, *, allow_loopback: bool
) -> Resolved:
    """What *hosts* lead to now, those that do not resolve as *before*. Never raises Unresolved."""
    found: dict[str, tuple[str, ...]] = {}
    mistakes: list[str] = []
    for host in hosts:
        try:
            addresses = (host,) if is_ip(host) else tuple(await resolver(host))
        except Unresolved as error:
            mistakes.append(str(error))
            found[host] = before.found.get(host, ())
            continue
        found[host], refused = admitted(addresses, allow_loopback=allow_loopback)
        mistakes += (f"{host} leads to {reason}" for reason in refused)
    return Resolved(found, tuple(mistakes))


def admitted(addresses: Iterable[str], *, allow_loopback: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those of *addresses* at which a gateway can be, and why the others are none."""
    allowed: list[str] = []
    refused: list[str] = []
    for address in addresses:
        reason = refused_range(address, allow_loopback=allow_loopback)
        if reason is None:
            allowed.append(str(ipaddress.ip_address(address)))
        else:
            refused.append(f"{address}, {reason}")
    return tuple(allowed), tuple(refused)


async def system_resolver(host: str) -> tuple[str, ...]:
    """The addresses of *host* as this machine resolves names. Raises Unresolved."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(10):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise Unresolved(f"{host} was not resolved in 10 s") from error
    except (OSError, UnicodeError) as error:
        raise Unresolved(f"{host} does not resolve: {error}") from error
    return tuple(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


def _order(ip: str) -> tuple[int, int]:
    address = ipaddress.ip_address(ip)
    return address.version, int(address)
