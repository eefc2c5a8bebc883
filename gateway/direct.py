"""
A verified TLS connection that carries one stream of raw bytes, and ends with it.

What Linkerd's proxies speak behind their transport header, and whoever has named a service by SNI.
There are no frames: close_notify is the end of a direction, and nothing else is. A FIN without it is a
truncation, since anybody on the way can send one; a reset is a reset; a refusal is a connection closed
without a word. Nobody says that a backend is connected, so a client begins at once.
"""

import asyncio

from certs.verification import Peer
from gateway.channel import Channel
from gateway.frames import HEADER
from gateway.lingering import Lingering
from gateway.refusals import PeerGone, Reason, Refused
from gateway.transport_header import TransportHeader, decode
from gateway.tunnel import Stream
from gateway.wire import Wire


class Direct:
    """One end of such a connection. Whoever made it calls `part` in the end."""

    __slots__ = (
        "_accepts_bare_fin",
        "_asked",
        "_channel",
        "_early",
        "_peer_ended",
        "_started",
        "_stream",
        "bare_fin",
        "broken_off",
        "lost",
        "peer",
    )

    def __init__(self, channel: Channel, peer: Peer) -> None:
        self._channel = channel
        self._stream: Stream | None = None
        self._asked: asyncio.Future[None] | None = None
        self._early = bytearray()  # what has come before there is a stream: header and payload
        self._accepts_bare_fin = False
        self._started = False
        self._peer_ended = False
        self.peer = peer
        self.lost: Refused | None = None
        """Why the connection is gone; None while it is not."""
        self.broken_off = False
        """Whether we have broken the stream off: the peer is to see a reset."""
        self.bare_fin = False
        """Whether the peer has ended by a FIN alone, which was taken as an end."""

    def __repr__(self) -> str:
        ends = f"said_end={self._channel.finished} peer_ended={self._peer_ended} lost={self.lost}"
        return f"<Direct of {self.peer.identity} {ends} {self._channel!r}>"

    @property
    def wire(self) -> Wire:
        """For its addresses."""
        return self._channel.wire

    @property
    def held(self) -> int:
        """Bytes on their way to the peer that the kernel has not taken."""
        return self._channel.wire.held

    @property
    def may_speak(self) -> bool:
        """Whether our direction is open."""
        return self.lost is None and not self.broken_off and not self._channel.finished

    @property
    def hears(self) -> bool:
        """Whether the peer's direction may still bring bytes."""
        return not self._peer_ended

    @property
    def over(self) -> bool:
        """Whether both directions have ended, regularly."""
        return self._channel.finished and self._peer_ended and not self.broken_off and self.lost is None

    # Before the stream.

    async def header(self) -> TransportHeader:
        """
        The peer's transport header. What follows it waits for `accept`, at most one read's worth.

        Raises BadHeader, and PeerGone for a peer that ends before it is whole.
        """
        self._asked = asyncio.get_running_loop().create_future()
        self._start()
        await self._asked
        self._asked = None
        found = decode(self._early)
        assert found is not None
        header, length = found
        del self._early[:length]
        return header

    def send_header(self, header: bytes) -> None:
        """The client's first bytes; none of them reaches a backend."""
        self._channel.send(memoryview(header))

    # What a pump does with it.

    def accept(self, stream: Stream) -> None:
        """*stream* gets what comes, what has come behind the header first."""
        if self.lost is not None:
            return
        self._stream = stream
        early, self._early = self._early, bytearray()
        ended_early = self._peer_ended
        if self._started:
            self.resume()
        else:
            self._start()
        if early:
            stream.data(memoryview(early))
        if ended_early:
            stream.ended()

    def detach(self) -> None:
        """Nobody wants what still comes."""
        self._stream = None
        self.wire.unwatch()

    def pause(self) -> None:
        self._channel.pause()

    def resume(self) -> None:
        # Behind the peer's close_notify there is nothing to be read: a FIN there is no news.
        if self._started and self.lost is None and not self._peer_ended:
            self._channel.resume()

    def send_data(self, frame: memoryview) -> bool:
        """Send what *frame* carries; there are no frames here. Returns whether there is room for more."""
        return self._channel.send(frame[HEADER:])

    def send_end(self) -> None:
        """Our direction has ended: close_notify. The peer's may go on."""
        self._channel.finish()
        self._over_if_both_ended()

    def break_off(self, reason: Reason) -> None:
        """The stream is broken: the peer learns that by a reset, behind what was sent; *reason* is ours."""
        if self.lost is None and not self.broken_off:
            self.broken_off = True
            self._over()

    def close(self, why: Refused | None = None) -> None:
        """It is of no use any more; *why* is what its stream is told."""
        self._gone(why or PeerGone("we have closed the connection"))

    # What a tunnel does for a stream that is refused.

    def go_away(self) -> None:
        """There is no other stream that the peer could be asked to open elsewhere."""

    def refuse(self, refusal: Refused) -> None:
        """No stream. The peer learns it by the end, and not why; to it all refusals are the same."""
        self._gone(refusal)

    async def until_free(self) -> None:
        """Return when the peer has had time to notice: a FIN, and what it has sent is dropped."""
        await self.wire.linger()

    def part(self, lingering: Lingering) -> None:
        """Close the wire: behind everything that was sent, and with a reset if that was not all."""
        self.wire.unwatch()
        if self.over:
            lingering.close(self.wire)
        else:
            lingering.reset(self.wire)

    # The channel's callbacks.

    def plaintext(self, view: memoryview) -> bool:
        if self._stream is not None:
            self._stream.data(view)
        else:
            self._early += view
        return self._asked is not None

    def settled(self) -> None:
        if self._asked is not None and not self._asked.done() and decode(self._early) is not None:
            self._channel.pause()
            self._asked.set_result(None)

    def drained(self) -> None:
        if self._stream is not None:
            self._stream.room()

    def finished(self) -> None:
        if self._peer_ended:
            if self.wire.failure is not None:  # it is woken to tell that what we send is not taken
                self.broken(PeerGone(f"the connection broke: {self.wire.failure.strerror}"))
            return
        self._peer_ended = True
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(PeerGone("the peer has ended before its transport header was whole"))
        elif self._stream is not None:
            self._stream.ended()
            self._over_if_both_ended()

    def takes_bare_fin(self) -> bool:
        if self._accepts_bare_fin and not self._peer_ended:
            self.bare_fin = True
        return self.bare_fin

    def accept_bare_fin(self) -> None:
        """From now on a FIN of the peer without close_notify is an end, as its service wants it."""
        self._accepts_bare_fin = True

    def broken(self, cause: Refused) -> None:
        self.wire.unwatch()
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(cause)
        self._gone(cause)

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self._channel.start(self)

    def _over_if_both_ended(self) -> None:
        if self.over:
            self._over()

    def _over(self) -> None:
        self.wire.unwatch()
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.over()

    def _gone(self, cause: Refused) -> None:
        if self.lost is not None:
            return
        self.lost = cause
        self.wire.unwatch()
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.lost(cause)
