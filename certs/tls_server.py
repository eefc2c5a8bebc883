"""
HTTP over TLS whose certificate is replaced while it runs.

An SSLContext is never changed, and a server's is fixed when it begins. So each certificate has a server of
its own, and all of them accept from one listening socket: the new one begins before the old one ends,
whoever waits to be accepted stays in the kernel's queue, and what the old one has accepted goes on.
"""

import socket
from types import TracebackType
from typing import Self

from aiohttp import web

from certs.credentials import Credentials
from certs.generation import one_sided
from process.address import Address

BACKLOG = 1024


class TlsServer:
    """
    Serves *application* at *listen* once there is a certificate to show; an async context manager.

    Entering it binds the address, and raises OSError with a sentence if that cannot be. Until `show`
    connections are refused. Leaving it lets requests that run end for some seconds.
    """

    def __init__(self, application: web.Application, listen: Address) -> None:
        self.address = listen
        """Where it listens; the port as bound once the block is entered."""

        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=5.0)
        self._site: web.SockSite | None = None
        self._socket: socket.socket

    async def __aenter__(self) -> Self:
        self._socket = _bound(self.address)
        try:
            await self._runner.setup()
        except BaseException:
            self._socket.close()
            raise
        self.address = Address(self.address.host, self._socket.getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._runner.cleanup()
        finally:
            self._socket.close()

    @property
    def serving(self) -> bool:
        """Whether there is a certificate to show."""
        return self._site is not None

    async def show(self, credentials: Credentials) -> None:
        """Use *credentials* in each handshake that begins from now on."""
        tls = one_sided(credentials)
        site = web.SockSite(self._runner, self._socket.dup(), ssl_context=tls, backlog=BACKLOG)
        await site.start()
        before, self._site = self._site, site
        if before is not None:
            await before.stop()


def _bound(address: Address) -> socket.socket:
    """A socket that has *address* and does not listen yet; an empty host is every one of both families."""
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
