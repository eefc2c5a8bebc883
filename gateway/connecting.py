"""From an address to a connected wire: names resolved, sockets connected, nothing sent."""

import asyncio
import errno
import os
import socket

from gateway.wire import Wire, address_of, set_options, wake
from process.address import Address


async def connect(address: Address, *, timeout: float) -> Wire:
    """
    A connection to *address*, whose host is an IP address.

    Raises OSError, and TimeoutError after *timeout* seconds.
    """
    family = socket.AF_INET6 if address.family_is_v6 else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        set_options(sock)
        # Within a machine, and often within a rack, it is done by the second time of asking: cheaper
        # than to set a clock and be told by the event loop.
        target = (address.host, address.port)
        if sock.connect_ex(target) not in _DONE and (error := sock.connect_ex(target)) not in _DONE:
            if error not in (errno.EALREADY, errno.EINPROGRESS):
                raise OSError(error, os.strerror(error))
            async with asyncio.timeout(timeout):
                await _connected(sock)
        return Wire(sock, address)
    except BaseException:
        sock.close()
        raise


async def _connected(sock: socket.socket) -> None:
    """Return once *sock*, which is about to connect, has. Raises OSError if it cannot."""
    loop = asyncio.get_running_loop()
    writable = loop.create_future()
    loop.add_writer(sock.fileno(), wake, writable)
    try:
        await writable
    finally:
        loop.remove_writer(sock.fileno())
    if error := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(error, os.strerror(error))


_DONE = (0, errno.EISCONN)


async def resolve(address: Address) -> tuple[Address, ...]:
    """*address* with its host as IP addresses, in the resolver's order. Raises OSError."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
    except UnicodeError as error:  # a label that is empty, or longer than 63
        raise OSError(f"{address.host!r} is not a host name") from error
    return tuple(dict.fromkeys(address_of(sockaddr) for *_, sockaddr in found))
