"""Which cluster addresses are free: one network of this machine's own, 127.0.0.0/8. Pure."""

from collections.abc import Set as AbstractSet
from ipaddress import IPv4Address, IPv4Network

from cluster.local.refusals import Mistake
from cluster.metadata import Raw

HEADLESS = "None"
"""What a Service without a cluster address has in its place."""

RESERVED = 10
"""The first addresses, .0 to .9 of a /24, are for the API server and whatever runs beside it."""


def service_range(text: str) -> IPv4Network:
    """Read `--service-range`. Raises ValueError with a sentence."""
    try:
        network = IPv4Network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no IPv4 network; write it as 127.1.2.0/24") from error
    if not network.is_loopback or not 8 <= network.prefixlen <= 28:
        raise ValueError(f"{text}: services get addresses of this machine, 127.0.0.0/8, from /8 to /28")
    return network


def own(network: IPv4Network) -> str:
    """The address of the API server itself, as the Service `kubernetes` has it."""
    return str(network.network_address + 1)


def _may_be_asked_for(network: IPv4Network, address: object) -> bool:
    """Whether a Service may name *address* as its own."""
    if not isinstance(address, str):
        return False
    try:
        found = IPv4Address(address)
    except ValueError:
        return False
    first, last = _bounds(network)
    return first <= int(found) <= last


def free(network: IPv4Network, used: AbstractSet[str], after: str | None) -> str | None:
    """
    The next address that is not *used*, going round from *after*; None if all are taken.

    Going round and not lowest first: an address that was just freed is not given at once to another
    service, while somebody may still send to it.
    """
    first, last = _bounds(network)
    count = last - first + 1
    start = int(IPv4Address(after)) - first + 1 if after is not None else 0
    for step in range(count):
        address = str(IPv4Address(first + (start + step) % count))
        if address not in used:
            return address
    return None


def _bounds(network: IPv4Network) -> tuple[int, int]:
    return int(network.network_address) + RESERVED, int(network.broadcast_address) - 1


def settle(
    service: Raw,
    before: Raw | None,
    network: IPv4Network,
    used: AbstractSet[str],
    *,
    last: str | None,
    former: str | None = None,
) -> list[Mistake]:
    """
    Give *service* its cluster address, or keep the one it has; what is wrong with the one it asks for.

    *used* are the addresses of all other services, *last* is the address given last. *former* is
    what a deleted service of the same name had: it comes back there, if nobody else is there now.
    """
    spec = service["spec"]
    listed = spec.get("clusterIPs")
    wanted = spec.get("clusterIP") or (listed[0] if isinstance(listed, list) and listed else None)
    if spec.get("type") == "ExternalName":
        spec.pop("clusterIP", None)
        spec.pop("clusterIPs", None)
        return []
    had = before["spec"].get("clusterIP") if before is not None else None
    if had and wanted and wanted != had:
        return [Mistake.invalid("spec.clusterIP", wanted, "field is immutable")]
    again = former if former not in used else None
    address = had or wanted or again or free(network, used, last)
    if address is None:
        return [
            Mistake("spec.clusterIP", f"Internal error: no address of {network} is free", "InternalError")
        ]
    if address != had and address != HEADLESS:
        is_api = (service["metadata"]["namespace"], service["metadata"]["name"]) == ("default", "kubernetes")
        usable = address == own(network) if is_api else _may_be_asked_for(network, address)
        if not usable:
            why = (
                f"the provided IP is not in the valid range {network}, less its first {RESERVED} and its last"
            )
            return [Mistake.invalid("spec.clusterIP", address, why)]
        if address in used:
            return [Mistake.invalid("spec.clusterIP", address, "provided IP is already allocated")]
    spec["clusterIP"], spec["clusterIPs"] = address, [address]
    return []
