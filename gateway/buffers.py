"""
The two shared buffers of a process: one for ciphertext, one for plaintext.

Every connection reads through them, so that an idle one costs no buffer of its own. The rule that
makes this safe: a slice of a buffer lives only within the callback that filled it, and while it is
alive nothing outside the pump runs. Who fills a buffer puts its mark on it first, and takes it off
when the slices are gone; in debug runs (and in the tests) a second borrower is an AssertionError
instead of mixed-up streams. Asked for with every read: so the mark is a plain attribute, and the two
slices into which nearly all reads go are made once.

What a receiver does not take is held for it, one read's worth at most. So reads are small while much is
held already, or while the loop is late, and a peer gets its turn sooner.
"""

import asyncio

from gateway.frames import HEADER
from gateway.refusals import OverLimit
from gateway.wire import Wire

CHUNK = 256 * 1024
"""The most that one read takes from a socket, bytes."""

SMALL_CHUNK = 16 * 1024
"""The same under pressure."""

MOST_HELD = 64 * 1024 * 1024
"""Bytes that are held for receivers. Above, no new stream is taken; above half of it, reads are small."""

LATE = 0.005
"""Seconds that the loop may be late by its own doing; reads are small while it is later."""

LOOK_BEHIND = 0.05
"""Seconds after which it is asked whether a wire broke behind the bytes that it brought."""

_RECORD = 5 + 16384 + 256
"""The longest TLS 1.3 record, header included (RFC 8446 section 5.2)."""


class Buffers:
    """A process's buffers; one object per event loop."""

    def __init__(self, *, most_held: int = MOST_HELD) -> None:
        self._most_held = most_held
        self._late = False
        self.brought: set[Wire] = set()
        """Wires that have brought bytes, and are soon asked whether they broke behind them."""
        self.held = 0
        """Bytes that receivers have not taken and that are held for them."""
        self.ciphertext = memoryview(bytearray(CHUNK + _RECORD))
        self.plaintext = memoryview(bytearray(CHUNK + 2 * _RECORD))
        self.owner: object = None
        """Who has slices of the buffers; None while nobody has."""
        self.chunk = CHUNK
        """The most that one read may take now, bytes."""
        self.wire_room = self.ciphertext[:CHUNK]
        """Where ciphertext goes that continues nothing."""
        self.frame_room = self.plaintext[HEADER : HEADER + CHUNK]
        """Where plaintext goes that will be sent as one frame, behind the place of its header."""

    def look_behind(self, wire: Wire) -> None:
        """
        *wire* has brought bytes: ask it soon whether it broke behind them, once for all that it brings
        until then. (A system call after each read would be a fifteenth of a small message.)
        """
        if not self.brought:
            asyncio.get_running_loop().call_later(LOOK_BEHIND, self._look_behind)
        self.brought.add(wire)

    def _look_behind(self) -> None:
        wires, self.brought = self.brought, set()
        for wire in wires:
            wire.heed_break()

    def hold(self, count: int) -> None:
        """*count* bytes more are held for receivers; fewer if it is negative."""
        self.held += count
        self._fit()

    def loop_late(self, seconds: float) -> None:
        """So late was the loop by its own doing, when it was looked at last."""
        self._late = seconds > LATE
        self._fit()

    def check(self) -> None:
        """Raises OverLimit if so much is held that no new stream may come."""
        if self.held > self._most_held:
            raise OverLimit(f"{self.held} bytes are held for receivers that do not take them")

    def _fit(self) -> None:
        chunk = SMALL_CHUNK if self._late or self.held > self._most_held // 2 else CHUNK
        if chunk != self.chunk:
            self.chunk = chunk
            self.wire_room = self.ciphertext[:chunk]
            self.frame_room = self.plaintext[HEADER : HEADER + chunk]
