"""
The mutual-TLS handshake, with all three layers of verification, off the event loop.

A handshake costs a hundred times more than a chunk of data, most of it without the GIL, so its steps
run in a small thread pool. While a step is out the loop touches neither the engine nor its BIOs, and
a deadline waits for the step to come back. A peer is let through only by a `Peer`, which only
`certs.verification` makes.
"""

import asyncio
import ssl
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from certs.generation import Generation
from certs.verification import Peer, Role, Untrusted, peer_chain, verify
from gateway import client_hello, transport_header
from gateway.client_hello import Named, NotForUs
from gateway.frames import ALPN
from gateway.refusals import AnotherServer, Distrusted, PeerGone, PeerUntrusted, ProtocolViolation, by_alert
from gateway.tls_engine import TlsEngine
from gateway.wire import Wire

_T = TypeVar("_T")

PROTOCOLS = (ALPN, transport_header.ALPN)
"""What a gateway speaks. Behind a service's name as SNI it also takes raw bytes, without ALPN."""


@dataclass(frozen=True, slots=True)
class Secured:
    """A connection whose other end is verified."""

    engine: TlsEngine
    peer: Peer
    unread: bytes
    """Ciphertext that came behind the handshake: the peer's first data."""

    named: Named | None = None
    """The service that a client has named by SNI."""


async def accept(
    wire: Wire, generation: Generation, threads: Executor | None, *, cluster_domain: str = "cluster.local"
) -> Secured:
    """
    Let a client in, or not. It speaks one of PROTOCOLS, or names a service of *cluster_domain*.

    Raises PeerUntrusted, Distrusted (by the peer), ProtocolViolation (no TLS, no protocol of ours) and
    PeerGone; the caller sets the deadline and closes the wire. The peer has been sent its alert.
    """
    named, unread = await _client_hello(wire, generation.credentials.identity, cluster_domain)
    engine = TlsEngine(generation.server, server_name=None)
    protocols = PROTOCOLS if named is None else (*PROTOCOLS, None)
    return await _Handshake(wire, engine, generation, "client", threads, protocols, named).run(unread)


async def connect(
    wire: Wire, generation: Generation, identity: str, threads: Executor | None, *, protocol: str = ALPN
) -> Secured:
    """
    Show ourselves to the server at the other end, which must be *identity* and speak *protocol*.
    Raises like `accept`.

    In TLS 1.3 a client has finished before the server has judged it: only the first answer
    proves that we were let in.
    """
    context = generation.client if protocol == ALPN else generation.clients[protocol]
    engine = TlsEngine(context, server_name=identity)
    try:
        secured = await _Handshake(wire, engine, generation, "server", threads, (protocol,)).run(b"")
    except AnotherServer as refusal:
        raise PeerUntrusted(f"the other end says that it is another one, and not {identity}") from refusal
    if secured.peer.identity != identity:
        raise PeerUntrusted(f"the other end is {secured.peer.identity}, and not {identity}")
    return secured


async def _client_hello(wire: Wire, identity: str, cluster_domain: str) -> tuple[Named | None, bytes]:
    """
    The service that a client names, and all that it has sent so far, for TLS to begin with.

    The name is what we read ourselves, and not what OpenSSL's callback would tell: it would have to be
    carried out of a context that all connections share. Nothing depends on whether OpenSSL reads the
    same: a name opens nothing, it only says which exported service a verified peer asks for. What both
    have agreed to speak is OpenSSL's word.
    """
    hello, unread, reader = None, b"", client_hello.Reader()
    while hello is None:
        fresh = await _receive(wire)
        unread += fresh
        hello = reader.feed(fresh)
    try:
        named = client_hello.check(
            hello, identity=identity, cluster_domain=cluster_domain, protocols=PROTOCOLS
        )
    except NotForUs as refusal:
        wire.send(client_hello.alert_record(refusal))
        raise
    return named, unread


async def _receive(wire: Wire) -> bytes:
    try:
        fresh = await wire.receive()
    except OSError as error:
        raise PeerGone(f"the connection broke during the handshake: {error.strerror}") from error
    if not fresh:
        raise PeerGone("the connection ended during the handshake")
    return fresh


@dataclass(frozen=True, slots=True)
class _Handshake:
    wire: Wire
    engine: TlsEngine
    generation: Generation
    role: Role  # what the peer is
    threads: Executor | None
    protocols: tuple[str | None, ...]  # what may be agreed to be spoken; None is nothing at all
    named: Named | None = None

    async def run(self, unread: bytes) -> Secured:
        """Begin with *unread*: a server with the ClientHello, a client, which makes it, with nothing."""
        while True:
            peer, taken = await self._step(unread)
            unread = unread[taken:]
            if peer is not None:
                return Secured(self.engine, peer, unread, self.named)
            unread += await _receive(self.wire)

    async def _step(self, ciphertext: bytes) -> tuple[Peer | None, int]:
        """One job for the threads, and what it left to be sent, an alert included."""
        try:
            return await in_thread(self.threads, lambda: self._advance(ciphertext))
        except ssl.SSLCertVerificationError as error:
            raise PeerUntrusted(f"TLS: {error.verify_message}") from error
        except ssl.SSLError as error:
            raise _refusal(error) from error
        except Untrusted as error:
            raise PeerUntrusted(str(error)) from error
        finally:
            if waiting := self.engine.outgoing():
                self.wire.send(waiting)

    def _advance(self, ciphertext: bytes) -> tuple[Peer | None, int]:
        """In a thread: feed, go on, and if that completes it, look at the peer twice more."""
        complete, taken = self.engine.shake_hands(ciphertext)
        if not complete:
            return None, taken
        if self.engine.alpn not in self.protocols:  # OpenSSL goes on silently
            spoken = " or ".join(protocol for protocol in self.protocols if protocol)
            raise ProtocolViolation(f"the other end does not speak {spoken}")
        chain = peer_chain(self.engine.tls)
        return verify(chain, self.generation.bundle, role=self.role, at=datetime.now(UTC)), taken


def _refusal(error: ssl.SSLError) -> PeerUntrusted | Distrusted | ProtocolViolation:
    if said := by_alert(error):
        return said
    reason = error.reason or str(error)
    if "CERTIFICATE" in reason:
        return PeerUntrusted(f"TLS: {reason.lower().replace('_', ' ')}")
    return ProtocolViolation(f"TLS: {reason.lower().replace('_', ' ')}")


async def in_thread(threads: Executor | None, job: Callable[[], _T]) -> _T:
    """Run *job* in *threads*. A cancelled caller still waits for it: the job owns what it touches."""
    running = asyncio.get_running_loop().run_in_executor(threads, job)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            await asyncio.wait([running])
        raise
