"""Where something listens or is reached: a host and a port, and which hosts nobody may be sent to."""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Self


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """A host (name, IPv4 or IPv6 without brackets) and a TCP port; 0 only where we listen."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `host:port`, `[v6]:port` or `:port` (every address). Raises ValueError with a sentence."""
        host, colon, port = text.strip().rpartition(":")
        if not colon:
            raise ValueError(f"{text!r} has no port; write it as host:port, e.g. 127.0.0.1:4143")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
            if not is_ip(host) or ":" not in host:
                raise ValueError(f"{text!r}: {host!r} is not an IPv6 address")
        elif ":" in host:
            raise ValueError(f"{text!r}: an IPv6 address is written in brackets, e.g. [::1]:4143")
        elif host and not is_ip(host) and not _NAME.match(host):
            raise ValueError(f"{text!r}: {host!r} is neither a host name nor an IP address")
        if not (_PORT.match(port) and int(port) <= 65535):
            raise ValueError(f"{text!r}: {port!r} is not a port from 0 to 65535")
        return cls(host, int(port))

    @property
    def family_is_v6(self) -> bool:
        return ":" in self.host

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.family_is_v6 else f"{self.host}:{self.port}"


_PORT = re.compile(r"[0-9]{1,5}\Z")
_NAME = re.compile(r"(?=.{1,254}\Z)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?\Z")
"""What a resolver can be asked for; longer labels, or empty ones, it answers with an odd error."""


@lru_cache(maxsize=4096)  # asked with every connection, of few hosts
def is_ip(host: str) -> bool:
    """Whether *host* is an address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=4096)
def refused_range(ip: str, *, allow_loopback: bool) -> str | None:
    """
    Why *ip* may be nobody's backend or gateway, or None.

    A peer names services, but whoever may write Endpoints names addresses: none of
    them may lead to this machine itself or to a cloud's metadata service. IPv6 forms
    that carry an IPv4 address are judged by it. Raises ValueError if *ip* is no address.
    """
    address = ipaddress.ip_address(ip)
    if isinstance(address, ipaddress.IPv6Address):
        address = _carried_by(address) or address
    if address.is_loopback:
        return None if allow_loopback else "a loopback address"
    if address.is_unspecified or address in _THIS_NETWORK:
        return "the unspecified address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if address == _BROADCAST:
        return "the broadcast address"
    return None


@lru_cache(maxsize=4096)
def plain(ip: str) -> str:
    """
    *ip* in the one form in which addresses are compared.

    IPv6 forms that carry an IPv4 address are that address; no zone, lower-case, shortened. Raises
    ValueError if *ip* is no address.
    """
    address = ipaddress.ip_address(ip)
    if isinstance(address, ipaddress.IPv6Address):
        return str(_carried_by(address) or address).partition("%")[0]
    return str(address)


def _carried_by(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address to which some machine on the way may translate *address*."""
    lowest = int(address) & 0xFFFF_FFFF
    if address in _NAT64 or (address in _V4_COMPATIBLE and lowest >> 24):
        return ipaddress.IPv4Address(lowest)
    return address.ipv4_mapped or address.sixtofour


_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
_BROADCAST = ipaddress.ip_address("255.255.255.255")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_V4_COMPATIBLE = ipaddress.ip_network("::/96")  # except for ::1 and its neighbours
