"""
The mutual-TLS handshake, with all three layers of verification, off the event loop.

A handshake costs a hundred times more than a chunk of data, most of it without the GIL, so its steps
run in a few threads, in the order of `handshake_queue`. While a step is out the loop touches neither the
engine nor its BIOs, and a deadline waits for the step to come back. A peer is let through only by a
`Peer`, which only `certs.verification` makes.

Anchors may change while a handshake is under way: the generation is chosen when its engine is made, and
a peer is let in under the one that holds when it is complete.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias, TypeVar

from certs.generation import Generation
from certs.verification import Peer, Role, Untrusted, peer_chain
from gateway import client_hello, transport_header
from gateway.client_hello import Named, NotForUs
from gateway.frames import ALPN
from gateway.handshake_queue import HandshakeThreads
from gateway.refusals import AnotherServer, Distrusted, PeerGone, PeerUntrusted, ProtocolViolation, by_alert
from gateway.tls_engine import HANDSHAKE_BUDGET, HandshakeTooLong, TlsEngine, whole_record
from gateway.wire import Wire

_T = TypeVar("_T")

PROTOCOLS = (ALPN, transport_header.ALPN)
"""What a gateway speaks. Behind a service's name as SNI it also takes raw bytes, without ALPN."""

Threads: TypeAlias = HandshakeThreads | Executor | None
"""Where handshakes are computed. None is the event loop's own threads, for who makes few of them."""


@dataclass(frozen=True, slots=True)
class Secured:
    """A connection whose other end is verified."""

    engine: TlsEngine
    peer: Peer
    unread: bytes
    """Ciphertext that came behind the handshake: the peer's first data."""

    shown: bytes
    """The certificates that we have shown."""

    named: Named | None = None
    """The service that a client has named by SNI."""


async def accept(
    wire: Wire,
    generation: Callable[[], Generation],
    threads: Threads,
    *,
    cluster_domain: str = "cluster.local",
) -> Secured:
    """
    Let a client in, or not. It speaks one of PROTOCOLS, or names a service of *cluster_domain*.

    Raises PeerUntrusted, Distrusted (by the peer), ProtocolViolation (no TLS, no protocol of ours),
    PeerGone and Crowded; the caller sets the deadline and closes the wire. The peer has been sent its alert.
    """
    return await _Handshake(wire, generation, None, threads, PROTOCOLS, cluster_domain).run()


async def connect(
    wire: Wire,
    generation: Callable[[], Generation],
    identity: str,
    threads: Threads,
    *,
    protocol: str = ALPN,
) -> Secured:
    """
    Show ourselves to the server at the other end, which must be *identity* and speak *protocol*.
    Raises like `accept`.

    In TLS 1.3 a client has finished before the server has judged it: only the first answer
    proves that we were let in.
    """
    try:
        secured = await _Handshake(wire, generation, identity, threads, (protocol,)).run()
    except AnotherServer as refusal:
        raise PeerUntrusted(f"the other end says that it is another one, and not {identity}") from refusal
    if secured.peer.identity != identity:
        raise PeerUntrusted(f"the other end is {secured.peer.identity}, and not {identity}")
    return secured


class _Handshake:
    """One handshake. While a step of it is out, nothing here is touched and the wire is not read."""

    __slots__ = (
        "_cluster_domain",
        "_current",
        "_engine",
        "_generation",
        "_named",
        "_protocols",
        "_received",
        "_server_name",
        "_shown",
        "_threads",
        "_wire",
    )

    def __init__(
        self,
        wire: Wire,
        generation: Callable[[], Generation],
        server_name: str | None,
        threads: Threads,
        protocols: tuple[str | None, ...],
        cluster_domain: str = "",
    ) -> None:
        """As the client of *server_name*, or with None as the server. One of *protocols* is spoken."""
        self._wire = wire
        self._current = generation
        self._server_name = server_name
        self._threads = threads
        self._protocols = protocols  # None among them: nothing at all may be agreed on
        self._cluster_domain = cluster_domain
        self._received = 0
        self._named: Named | None = None
        # Made by the first step: who waits for its turn costs no more than its ClientHello.
        self._generation: Generation | None = None
        self._engine: TlsEngine | None = None
        self._shown = b""

    async def run(self) -> Secured:
        # A server waits for the ClientHello, a client begins by making it.
        unread = await self._client_hello() if self._server_name is None else b""
        while True:
            peer, taken = await self._step(unread)
            unread = unread[taken:]
            if peer is not None:
                break
            unread = await self._receive(unread)
        peer = await self._still_trusted(peer)
        assert self._engine is not None
        return Secured(self._engine, peer, unread, self._shown, self._named)

    async def _client_hello(self) -> bytes:
        """
        What the client has sent once its ClientHello is whole, for TLS to begin with. Raises NotForUs.

        The service that it names is what we read ourselves, and not what OpenSSL's callback would tell: that
        would have to be carried out of a context that all connections share. Nothing depends on whether
        OpenSSL reads the same: a name opens nothing, it only says which exported service a verified peer
        asks for. What both have agreed to speak is OpenSSL's word.
        """
        hello, unread, reader = None, b"", client_hello.Reader()
        while hello is None:
            fresh = await self._fresh()
            unread += fresh
            hello = reader.feed(fresh)
        try:
            self._named = client_hello.check(
                hello,
                identity=self._current().credentials.identity,
                cluster_domain=self._cluster_domain,
                protocols=PROTOCOLS,
            )
        except NotForUs as refusal:
            self._wire.send(client_hello.alert_record(refusal))
            raise
        if self._named is not None:
            self._protocols = (*self._protocols, None)
        return unread

    async def _receive(self, unread: bytes) -> bytes:
        """*unread* and what comes behind it, up to a whole record. Of the rest the kernel takes care."""
        while True:
            unread += await self._fresh()
            if whole_record(memoryview(unread)):  # no work for a thread before that
                return unread

    async def _fresh(self) -> bytes:
        """The next bytes, as long as the peer has not sent more than a handshake takes."""
        if not (room := HANDSHAKE_BUDGET - self._received):
            raise HandshakeTooLong(f"a handshake of more than {HANDSHAKE_BUDGET} bytes")
        try:
            fresh = await self._wire.receive(room)
        except OSError as error:
            raise PeerGone(f"the connection broke during the handshake: {error.strerror}") from error
        if not fresh:
            raise PeerGone("the connection ended during the handshake")
        self._received += len(fresh)
        return fresh

    async def _step(self, ciphertext: bytes) -> tuple[Peer | None, int]:
        """One job for the threads, and what it left to be sent, an alert included."""
        try:
            return await self._in_turn(lambda: self._advance(ciphertext))
        except ssl.SSLCertVerificationError as error:
            raise PeerUntrusted(f"TLS: {error.verify_message}") from error
        except ssl.SSLError as error:
            raise _refusal(error) from error
        except Untrusted as error:
            raise PeerUntrusted(str(error)) from error
        finally:
            if self._engine is not None and (waiting := self._engine.outgoing()):
                self._wire.send(waiting)

    async def _in_turn(self, work: Callable[[], _T]) -> _T:
        if isinstance(self._threads, HandshakeThreads):
            return await self._threads.run(work, begun=self._engine is not None)
        return await in_thread(self._threads, work)

    def _advance(self, ciphertext: bytes) -> tuple[Peer | None, int]:
        """In a thread: feed, go on, and if that completes it, look at the peer twice more."""
        if (engine := self._engine) is None:
            self._generation = generation = self._current()
            self._shown = generation.credentials.chain_pem
            context = generation.server
            if self._server_name is not None:
                (protocol,) = self._protocols
                context = generation.client if protocol == ALPN else generation.clients[str(protocol)]
            self._engine = engine = TlsEngine(context, server_name=self._server_name)
        complete, taken = engine.shake_hands(ciphertext)
        if not complete:
            return None, taken
        if engine.alpn not in self._protocols:  # OpenSSL goes on silently
            spoken = " or ".join(protocol for protocol in self._protocols if protocol)
            raise ProtocolViolation(f"the other end does not speak {spoken}")
        return self._verified(peer_chain(engine.tls)), taken

    def _verified(self, chain: Sequence[bytes]) -> Peer:
        assert self._generation is not None
        role: Role = "client" if self._server_name is None else "server"
        return self._generation.chains.verify(chain, role=role, at=datetime.now(UTC))

    async def _still_trusted(self, peer: Peer) -> Peer:
        """*peer*, if the anchors and revocation lists that hold now let it in too. Raises PeerUntrusted."""
        while True:
            before, now = self._generation, self._current()
            assert before is not None
            if now.rules == before.rules:
                return peer
            self._generation = now
            try:
                peer = await self._in_turn(partial(self._verified, peer.chain))
            except Untrusted as error:
                raise PeerUntrusted(str(error)) from error


_NOT_ITS_OWN = frozenset(("BAD_SIGNATURE", "WRONG_SIGNATURE_TYPE", "WRONG_SIGNATURE_SIZE"))


def _refusal(error: ssl.SSLError) -> PeerUntrusted | Distrusted | ProtocolViolation:
    if said := by_alert(error):
        return said
    reason = error.reason or str(error)  # Python knows no name for some of OpenSSL's
    if "asn1" in reason.lower() or reason == "CERT_LENGTH_MISMATCH":
        return PeerUntrusted("TLS: the certificate cannot be read")
    if reason in _NOT_ITS_OWN:
        return PeerUntrusted(
            "TLS: bad signature: the other end does not prove that the certificate is its own"
        )
    if "CERTIFICATE" in reason or reason == "WRONG_CURVE":  # of the certificate's key
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
