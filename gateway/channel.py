"""
A TLS connection after its handshake: plaintext as callbacks, the two directions apart.

Ciphertext is read into the process's shared buffer, decrypted record by record into the other one,
and given to the receiver as one slice; what the receiver wants to do besides moving these bytes it
does in `settled`, when no slice of a shared buffer is alive any more.
"""

import ssl
from typing import Protocol

from gateway.buffers import CHUNK, Buffers
from gateway.refusals import PeerGone, ProtocolViolation, Refused
from gateway.tls_engine import TlsEngine
from gateway.wire import Wire


class Receiver(Protocol):
    """Who gets a channel's plaintext. Only `plaintext` and `settled` may raise ProtocolViolation."""

    def plaintext(self, view: memoryview) -> None:
        """Bytes have come. The slice is gone once this returns."""

    def settled(self) -> None:
        """All bytes of a read have been given; the shared buffers are free."""

    def drained(self) -> None:
        """Everything that was sent has left; there is room again."""

    def finished(self) -> None:
        """The peer's close_notify: no more bytes come, and none is missing."""

    def broken(self, cause: Refused) -> None:
        """The connection is broken or not to be trusted; it is closed already."""


class Channel:
    """TLS over a wire. Owns the wire; closed by `close`, or by itself before `broken`."""

    __slots__ = ("_buffers", "_engine", "_paused", "_receiver", "_unread", "wire")

    def __init__(self, wire: Wire, engine: TlsEngine, buffers: Buffers, unread: bytes) -> None:
        """*unread* is ciphertext that came behind the handshake."""
        self.wire = wire
        self._engine = engine
        self._buffers = buffers
        self._unread = unread
        self._paused = True
        self._receiver: Receiver | None = None

    def __repr__(self) -> str:
        return f"<Channel {self.wire!r} unread={len(self._unread)}>"

    def start(self, receiver: Receiver) -> None:
        """Give *receiver* what comes from now on, the bytes behind the handshake first."""
        self._receiver = receiver
        self.wire.watch(self._readable, receiver.drained)
        self._paused = False
        self.wire.resume()
        if self._unread:
            self._guarded(b"")

    def pause(self) -> None:
        """No more plaintext, please, once the current callback is over."""
        self._paused = True
        self.wire.pause()

    def resume(self) -> None:
        self._paused = False
        self.wire.resume()

    def look(self) -> None:
        """Read what has arrived by now, so that a peer that has gone is noticed."""
        self._readable()

    def send(self, plaintext: memoryview) -> bool:
        """Encrypt and send; returns whether there is room for more, else `drained` follows."""
        return self.wire.send(self._engine.encrypt(plaintext))

    def close(self) -> None:
        """close_notify and FIN to the peer, and the end of the wire."""
        if not self.wire.closed:
            if self.wire.failure is None and (goodbye := self._engine.finish()):
                self.wire.send(goodbye)
            self.wire.close()

    def reset(self) -> None:
        """End the wire with an RST."""
        self.wire.reset()

    async def close_gently(self) -> None:
        """close_notify, and time for the peer to read our last words."""
        if not self.wire.closed:
            if self.wire.failure is None and (goodbye := self._engine.finish()):
                self.wire.send(goodbye)
            await self.wire.linger()

    def _readable(self) -> None:
        buffers, held = self._buffers, len(self._unread)
        space = buffers.ciphertext[held : held + CHUNK]
        with buffers.lent(self):
            try:
                count = self.wire.receive_into(space)
            except BlockingIOError:
                return
            except OSError as error:
                self._lose(PeerGone(f"the connection broke: {error.strerror or error}"))
                return
        if count:
            self._guarded(space[:count])
        elif not self.wire.closed:
            self._lose(PeerGone("the connection ended without a word"))

    def _guarded(self, fresh: memoryview | bytes) -> None:
        try:
            self._take(len(fresh))
        except ProtocolViolation as violation:
            self._lose(violation)
        except ssl.SSLError as error:
            self._lose(ProtocolViolation(f"TLS: {error.reason or error}"))

    def _take(self, fresh: int) -> None:
        """Decrypt what was unread and the *fresh* bytes behind it, and give it to the receiver."""
        receiver, buffers, held = self._receiver, self._buffers, len(self._unread)
        assert receiver is not None
        with buffers.lent(self):
            if held:
                buffers.ciphertext[:held] = self._unread
            taken, filled = self._engine.decrypt(buffers.ciphertext[: held + fresh], buffers.plaintext)
            left = held + fresh - taken
            self._unread = bytes(buffers.ciphertext[taken : taken + left]) if left else b""
            if filled:
                receiver.plaintext(buffers.plaintext[:filled])
        if answer := self._engine.outgoing():
            self.wire.send(answer)
        receiver.settled()
        if self._engine.peer_finished and not self.wire.closed:
            self.pause()
            receiver.finished()

    def _lose(self, cause: Refused) -> None:
        receiver = self._receiver
        assert receiver is not None
        if isinstance(cause, ProtocolViolation) and (alert := self._engine.outgoing()):
            self.wire.send(alert)
        self.wire.close()
        receiver.broken(cause)
