"""
How we speak HTTP with an API server: no more of the environment than the kubeconfig says.

aiohttp, and not the REST client of `kubernetes_asyncio`: importing any of that library loads its models
of all kinds, 40 MB and 0.4 s for each process of ours, and of its client nothing would be left here. It
makes its TLS context from file paths, so inline credentials have to lie on a disk first; it obeys proxy
variables; it logs bodies, and Secrets are bodies; it follows redirects. So: a context from memory, no
environment, no redirects, and connections that notice within half a minute when the other side is gone.
"""

import asyncio
import json
import os
import socket
import ssl
from contextlib import suppress
from typing import Any
from weakref import WeakSet

import aiohttp

from cluster.access import Access

_TURNS = 100
"""Of the loop, in which a socket that has seen its end is closed: it takes three or four."""


class Redirected(Exception):
    """The server points elsewhere. We speak to the one we were told, with a token meant for it."""


class Transport:
    """
    Requests to the server of *access*, its certificate verified.

    Raises ssl.SSLError or ValueError where the CA, or the client certificate and key, cannot be used.
    To be made inside a running loop; whoever made it awaits `close`.
    """

    def __init__(self, access: Access) -> None:
        self._server_name = access.tls_server_name or None
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=ssl_context(access), limit=128, socket_factory=self._socket),
            trust_env=False,
            middlewares=(_refuse_redirects,),
            read_bufsize=1 << 20,
        )

    async def close(self) -> None:
        """
        End all connections, and return when their sockets are closed.

        A connection whose request was cancelled just as its handshake was done is none of the session's:
        it would wait half a minute for the server's close_notify. It sees an end of stream instead.
        """
        await self._session.close()
        for left in self._open():
            with suppress(OSError):  # not connected yet: whoever connects it has closed it with its task
                left.shutdown(socket.SHUT_RDWR)
        for _ in range(_TURNS):
            if not self._open():
                break
            await asyncio.sleep(0)

    def _open(self) -> list[socket.socket]:
        return [one for one in self._sockets if one.fileno() != -1]

    def _socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        made = _watched_by_the_kernel(address)
        self._sockets.add(made)
        return made

    async def answer(
        self, method: str, url: str, *, body: object, headers: dict[str, str], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        """
        What the server answers, its body not yet read; to be used as a context manager.

        Raises aiohttp.ClientError, TimeoutError, Redirected.
        """
        return await self._session.request(
            method,
            url,
            headers=headers,
            data=None if body is None else json.dumps(body),
            timeout=timeout,
            server_hostname=self._server_name,
        )


def ssl_context(access: Access) -> ssl.SSLContext:
    """A context that trusts only the CA of *access* (the system's where it has none)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if access.ca_data:
        context.load_verify_locations(cadata=access.ca_data.decode("ascii"))
    else:
        context.load_default_certs()
    if access.client_certificate and access.client_key:
        _load_from_memory(context, access.client_certificate + b"\n" + access.client_key)
    return context


def _load_from_memory(context: ssl.SSLContext, pem: bytes) -> None:
    """OpenSSL takes keys from files only; this one has no name and is on no disk."""
    with os.fdopen(os.memfd_create("client-key", os.MFD_CLOEXEC), "wb") as file:
        file.write(pem)
        file.flush()
        # A password that nobody is asked for: an encrypted key is an error, not a prompt.
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}", password="")


async def _refuse_redirects(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    response = await handler(request)
    if 300 <= response.status < 400:
        response.close()
        raise Redirected(f"it answers {response.status}, a redirect")
    return response


def _watched_by_the_kernel(address: aiohttp.AddrInfoType) -> socket.socket:
    """Watches are silent for minutes, and a lost peer says nothing: let the kernel ask."""
    family, kind, protocol, _, _ = address
    connection = socket.socket(family, kind, protocol)
    options: Any = {
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): 15,
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): 5,
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): 3,
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT): 30_000,
    }
    for (level, option), value in options.items():
        connection.setsockopt(level, option, value)
    return connection
