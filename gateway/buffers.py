"""
The two shared buffers of a process: one for ciphertext, one for plaintext.

Every connection reads through them, so that an idle one costs no buffer of its own. The rule that
makes this safe: a slice of a buffer lives only within the callback that filled it, and while it is
alive nothing outside the pump runs. Who fills a buffer says so with `lent`; in debug runs (and in
the tests) a second borrower is an AssertionError instead of mixed-up streams.
"""

from collections.abc import Iterator
from contextlib import contextmanager

CHUNK = 256 * 1024
"""The most that one read takes from a socket, bytes."""

_RECORD = 5 + 16384 + 256
"""The longest TLS 1.3 record, header included (RFC 8446 section 5.2)."""


class Buffers:
    """A process's buffers; one object per event loop."""

    def __init__(self) -> None:
        self.ciphertext = memoryview(bytearray(CHUNK + _RECORD))
        self.plaintext = memoryview(bytearray(CHUNK + 2 * _RECORD))
        self._owner: object = None

    @contextmanager
    def lent(self, owner: object) -> Iterator[None]:
        """The buffers belong to *owner* within the block."""
        assert self._owner is None, f"{owner!r} takes the buffers while {self._owner!r} has them"
        self._owner = owner
        try:
            yield
        finally:
            self._owner = None
