"""Where something listens or is reached: a host and a port, and which hosts nobody may be sent to."""

import ipaddress
from dataclasses import dataclass
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
        if not (port.isascii() and port.isdigit() and int(port) <= 65535):
            raise ValueError(f"{text!r}: {port!r} is not a port from 0 to 65535")
        return cls(host, int(port))

    @property
    def family_is_v6(self) -> bool:
        return ":" in self.host

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.family_is_v6 else f"{self.host}:{self.port}"


def is_ip(host: str) -> bool:
    """Whether *host* is an address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def refused_range(ip: str, *, allow_loopback: bool) -> str | None:
    """
    Why *ip* may be nobody's backend or gateway, or None.

    A peer names services, but whoever may write Endpoints names addresses: none of
    them may lead to this machine itself or to a cloud's metadata service. IPv6 forms
    that carry an IPv4 address are judged by it. Raises ValueError if *ip* is no address.
    """
    address = ipaddress.ip_address(ip)
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address.sixtofour or address
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


_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
_BROADCAST = ipaddress.ip_address("255.255.255.255")
