"""
A TLS connection after its handshake: plaintext as callbacks, the two directions apart.

Ciphertext is read into the process's shared buffer, decrypted record by record into the other one,
and given to the receiver as one slice; what the receiver wants to do besides moving these bytes it
does in `settled`, when no slice of a shared buffer is alive any more.
"""

import ssl
from typing import Protocol

from gateway.buffers import Buffers
from gateway.refusals import PeerGone, ProtocolViolation, Refused, by_alert
from gateway.tls_engine import TlsEngine
from gateway.wire import Wire


class Receiver(Protocol):
    """Who gets a channel's plaintext. Only `plaintext` and `settled` may raise ProtocolViolation."""

    def plaintext(self, view: memoryview) -> bool:
        """Bytes have come. The slice is gone once this returns. Says whether `settled` has work to do."""

    def settled(self) -> None:
        """All bytes of a read have been given; the shared buffers are free."""

    def drained(self) -> None:
        """Everything that was sent has left; there is room again."""

    def finished(self) -> None:
        """The peer's close_notify: no more bytes come, and none is missing. May be repeated."""

    def takes_bare_fin(self) -> bool:
        """The peer's FIN has come without close_notify: whether that is an end. If not it is `broken`."""

    def broken(self, cause: Refused) -> None:
        """The connection is broken or not to be trusted: to be closed, and not to be read any more."""


class Channel:
    """TLS over a wire. Whoever is its receiver closes it, `broken` or not."""

    __slots__ = ("_buffers", "_decrypt", "_engine", "_paused", "_receiver", "_unread", "encrypt", "wire")

    def __init__(self, wire: Wire, engine: TlsEngine, buffers: Buffers, unread: bytes) -> None:
        """*unread* is ciphertext that came behind the handshake."""
        self.wire = wire
        self._engine = engine
        self._buffers = buffers
        self._unread = unread
        self._paused = True
        self._receiver: Receiver | None = None
        self._decrypt = engine.decrypt
        self.encrypt = engine.encrypt
        """The records that carry some plaintext: for whoever sends them by the wire itself."""

    def __repr__(self) -> str:
        return f"<Channel {self.wire!r} unread={len(self._unread)}>"

    @property
    def finished(self) -> bool:
        """Whether we have said close_notify."""
        return self._engine.finished

    def start(self, receiver: Receiver) -> None:
        """Give *receiver* what comes from now on, the bytes behind the handshake first."""
        self._receiver = receiver
        self.wire.watch(self._readable, receiver.drained, self._buffers.hold)
        self._paused = False
        self.wire.resume()
        if self._unread:
            self._decrypt_unread()

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

    def finish(self) -> None:
        """close_notify to the peer: we send no more, and go on reading."""
        if goodbye := self._engine.finish():
            self.wire.send(goodbye)

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
        """Read what is there, once; give it to the receiver; then, with the buffers free, all the rest."""
        buffers, receiver, held = self._buffers, self._receiver, len(self._unread)
        assert receiver is not None
        cause: Refused | None = None
        more = False
        assert buffers.owner is None, f"{self!r} takes the buffers while {buffers.owner!r} has them"
        buffers.owner = self
        try:
            room = buffers.ciphertext[held : held + buffers.chunk] if held else buffers.wire_room
            count = self.wire.receive_into(room)
            if count:
                if self.wire not in buffers.brought:
                    buffers.look_behind(self.wire)
                if held:
                    more = self._continue(held, count)
                else:
                    ciphertext = buffers.ciphertext[:count]
                    taken, filled = self._decrypt(ciphertext, buffers.plaintext)
                    if taken < count:
                        self._unread = bytes(ciphertext[taken:])
                    if filled:
                        more = receiver.plaintext(buffers.plaintext[:filled])
            elif not self.wire.closed:
                cause = self._end_of_wire()
        except BlockingIOError:
            return
        except (ProtocolViolation, OSError) as error:
            cause = _cause(error)
        finally:
            buffers.owner = None
        if more or cause is not None or self._engine.answers.pending or self._engine.peer_finished:
            self._settle(cause)

    def _end_of_wire(self) -> PeerGone | None:
        """A FIN: whoever can send one may have cut the rest, so it is an end only for who says so."""
        assert self._receiver is not None
        if not self._unread and self.wire.failure is None and self._receiver.takes_bare_fin():
            self._engine.peer_finished = True
            return None
        if self.wire.failure is not None:
            return _broke(self.wire.failure)
        return PeerGone("the connection ended without close_notify: what it carried may be cut short")

    def _decrypt_unread(self) -> None:
        """The same for ciphertext that came behind the handshake."""
        cause: Refused | None = None
        self._buffers.owner = self
        try:
            self._continue(len(self._unread), 0)
        except (ProtocolViolation, OSError) as error:
            cause = _cause(error)
        finally:
            self._buffers.owner = None
        self._settle(cause)

    def _continue(self, held: int, fresh: int) -> bool:
        """
        Decrypt the *held* bytes that were unread and the *fresh* ones behind them, and give them to the
        receiver.

        Returns whether the receiver has more to do once the buffers are free.
        """
        receiver, buffers = self._receiver, self._buffers
        assert receiver is not None
        buffers.ciphertext[:held] = self._unread
        size = held + fresh
        taken, filled = self._decrypt(buffers.ciphertext[:size], buffers.plaintext)
        self._unread = bytes(buffers.ciphertext[taken:size])
        return receiver.plaintext(buffers.plaintext[:filled]) if filled else False

    def _settle(self, cause: Refused | None) -> None:
        """No slice of a buffer is alive any more: answers, frames, ends."""
        receiver = self._receiver
        assert receiver is not None
        if answer := self._engine.outgoing():
            self.wire.send(answer)
        if cause is None:
            try:
                receiver.settled()
            except ProtocolViolation as violation:
                cause = violation
        if cause is not None:
            receiver.broken(cause)
        elif self._engine.peer_finished and not self.wire.closed:
            self.pause()
            receiver.finished()


def _cause(error: ProtocolViolation | OSError) -> Refused:
    """What a read ran into. (An ssl.SSLError is an OSError too.)"""
    if isinstance(error, ProtocolViolation):
        return error
    if isinstance(error, ssl.SSLError):
        if said := by_alert(error):
            return said
        return ProtocolViolation(f"TLS: {error.reason or error}")
    return _broke(error)


def _broke(error: OSError) -> PeerGone:
    return PeerGone(f"the connection broke: {error.strerror or error}")
