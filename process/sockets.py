"""Addresses of ours."""

import socket

from process.address import Address


def bound(address: Address) -> socket.socket:
    """
    A non-blocking TCP socket that has *address* and does not listen yet: callers are refused.

    An empty host is every address, of both families. Raises OSError with a sentence.
    """
    anywhere = not address.host
    family = socket.AF_INET6 if anywhere or address.family_is_v6 else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if anywhere else 1)
        sock.bind((address.host or "::", address.port))
    except OSError as error:
        sock.close()
        raise OSError(f"cannot listen on {address}: {error.strerror}") from error
    return sock
