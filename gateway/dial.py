"""From a name to a connection: addresses tried one after the other, none of them a forbidden one."""

import asyncio
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet

from gateway.connecting import connect, resolve
from gateway.refusals import BackendUnreachable, OverLimit
from gateway.wire import NO_DESCRIPTOR, Wire
from process.address import Address, is_ip, plain, refused_range


async def dial(
    addresses: Iterable[Address],
    *,
    each: float,
    total: float,
    allow_loopback: bool,
    never: AbstractSet[str] = frozenset(),
    failed: Callable[[Address], None] = lambda _: None,
) -> tuple[Wire, Address]:
    """
    A connection to the first of *addresses* that takes one, and which it was.

    *each* try may take so many seconds, all together *total*; the last address gets all that is
    left of it, since a server whose backlog is full answers only when the kernel asks again, a
    second later. Host names are resolved, and the last one again after each *each* seconds without
    an answer: a Service that was made anew has another address than the resolver still knows. *failed*
    is told of each address that took none; they are asked for one at a time. Raises
    BackendUnreachable with the last cause, and OverLimit if it is us who have no descriptor left.
    Whatever name or table led there, no address in a forbidden range or in *never* (in the form of
    `plain`) is connected to; and where the kernel says afterwards that it has, the connection is cut.
    """
    cause = "there is no address"
    now = asyncio.get_running_loop().time
    end = now() + total
    coming = iter(addresses)
    upcoming = next(coming, None)
    while upcoming is not None:
        address, upcoming = upcoming, next(coming, None)
        fixed = is_ip(address.host)
        patience = each if upcoming is not None or not fixed else total
        try:
            return await _dial_one(address, patience, end, allow_loopback, never), address
        except TimeoutError:
            cause = f"{address} has not answered within {patience:g} s"
            if upcoming is None and not fixed:
                upcoming = address
        except (OSError, BackendUnreachable) as error:
            if isinstance(error, OSError) and error.errno in NO_DESCRIPTOR:
                raise OverLimit(f"we have no means to connect: {error.strerror}") from error
            cause = f"{address}: {getattr(error, 'strerror', None) or error}"
        failed(address)
        if now() >= end:
            cause = f"no address has answered within {total:g} s, {address} the last of them"
            break
    raise BackendUnreachable(cause)


async def _dial_one(
    address: Address,
    each: float,
    end: float,
    allow_loopback: bool,  # noqa: FBT001  # as it came
    never: AbstractSet[str],
) -> Wire:
    """A connection to one of the addresses behind *address*, by *end* on the loop's clock."""
    now = asyncio.get_running_loop().time
    if is_ip(address.host):
        found: tuple[Address, ...] = (address,)
    else:
        async with asyncio.timeout_at(end):
            found = await resolve(address)
    failure: OSError = OSError(f"{address.host} has no address")
    for candidate in found:
        if forbidden := _why_not(candidate.host, allow_loopback, never):
            raise BackendUnreachable(f"{candidate.host} is {forbidden}")
        try:
            wire = await connect(candidate, timeout=min(each, end - now()))
        except OSError as error:  # TimeoutError is among them
            failure = error
            continue
        # The look before the connect spares a forbidden address even a SYN; this one is at what it led to:
        # a program at the socket (eBPF, as of Cilium) may send it elsewhere. NAT on the way shows in neither.
        try:
            reached = wire.reached
        except OSError as error:  # it is over already
            wire.close()
            failure = error
            continue
        if reached != candidate.host and (forbidden := _why_not(reached, allow_loopback, never)):
            wire.reset()
            raise BackendUnreachable(f"{candidate.host} led to {reached}, which is {forbidden}")
        return wire
    raise failure


def _why_not(ip: str, allow_loopback: bool, never: AbstractSet[str]) -> str | None:  # noqa: FBT001  # as it came
    """Why nobody may be connected to *ip*; None if he may."""
    if forbidden := refused_range(ip, allow_loopback=allow_loopback):
        return forbidden
    return "an address of a node or of the API server" if never and plain(ip) in never else None
