"""
The two shared buffers of a process: one for ciphertext, one for plaintext.

Every connection reads through them, so that an idle one costs no buffer of its own. The rule that
makes this safe: a slice of a buffer lives only within the callback that filled it, and while it is
alive nothing outside the pump runs. Who fills a buffer puts its mark on it first, and takes it off
when the slices are gone; in debug runs (and in the tests) a second borrower is an AssertionError
instead of mixed-up streams. Asked for with every read: so the mark is a plain attribute, and the two
slices into which nearly all reads go are made once.
"""

from gateway.frames import HEADER

CHUNK = 256 * 1024
"""The most that one read takes from a socket, bytes."""

_RECORD = 5 + 16384 + 256
"""The longest TLS 1.3 record, header included (RFC 8446 section 5.2)."""


class Buffers:
    """A process's buffers; one object per event loop."""

    def __init__(self) -> None:
        self.ciphertext = memoryview(bytearray(CHUNK + _RECORD))
        self.plaintext = memoryview(bytearray(CHUNK + 2 * _RECORD))
        self.wire_room = self.ciphertext[:CHUNK]
        """Where ciphertext goes that continues nothing."""
        self.frame_room = self.plaintext[HEADER : HEADER + CHUNK]
        """Where plaintext goes that will be sent as one frame, behind the place of its header."""
        self.owner: object = None
        """Who has slices of the buffers; None while nobody has."""
