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
from gateway.frames import ALPN
from gateway.refusals import Distrusted, PeerGone, PeerUntrusted, ProtocolViolation, by_alert
from gateway.tls_engine import TlsEngine
from gateway.wire import Wire

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Secured:
    """A connection whose other end is verified."""

    engine: TlsEngine
    peer: Peer
    unread: bytes
    """Ciphertext that came behind the handshake: the peer's first data."""


async def accept(wire: Wire, generation: Generation, threads: Executor | None) -> Secured:
    """
    Let a client in, or not.

    Raises PeerUntrusted, Distrusted (by the peer), ProtocolViolation (no TLS, no protocol of ours) and
    PeerGone; the caller sets the deadline and closes the wire. The peer has been sent its alert.
    """
    engine = TlsEngine(generation.server, server_name=None)
    return await _Handshake(wire, engine, generation, "client", threads).run()


async def connect(wire: Wire, generation: Generation, identity: str, threads: Executor | None) -> Secured:
    """
    Show ourselves to the server at the other end, which must be *identity*. Raises like `accept`.

    In TLS 1.3 a client has finished before the server has judged it: only the first answer
    proves that we were let in.
    """
    engine = TlsEngine(generation.client, server_name=identity)
    secured = await _Handshake(wire, engine, generation, "server", threads).run()
    if secured.peer.identity != identity:
        raise PeerUntrusted(f"the other end is {secured.peer.identity}, and not {identity}")
    return secured


@dataclass(frozen=True, slots=True)
class _Handshake:
    wire: Wire
    engine: TlsEngine
    generation: Generation
    role: Role  # what the peer is
    threads: Executor | None

    async def run(self) -> Secured:
        # A server waits for the ClientHello, a client begins by making it.
        unread = await self._receive() if self.role == "client" else b""
        while True:
            peer, taken = await self._step(unread)
            unread = unread[taken:]
            if peer is not None:
                return Secured(self.engine, peer, unread)
            unread += await self._receive()

    async def _receive(self) -> bytes:
        try:
            fresh = await self.wire.receive()
        except OSError as error:
            raise PeerGone(f"the connection broke during the handshake: {error.strerror}") from error
        if not fresh:
            raise PeerGone("the connection ended during the handshake")
        return fresh

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
        if self.engine.alpn != ALPN:
            raise ProtocolViolation(f"the other end does not speak {ALPN}")
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
