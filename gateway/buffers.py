"""
The two shared buffers of a process: one for ciphertext, one for plaintext.

Every connection reads through them, so that an idle one costs no buffer of its own. The rule that
makes this safe: a slice of a buffer lives only within the callback that filled it, and while it is
alive nothing outside the pump runs. Who fills a buffer says so with `lent`; in debug runs (and in
the tests) a second borrower is an AssertionError instead of mixed-up streams.
"""

from types import TracebackType

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

    def lent(self, owner: object) -> "Buffers":
        """The buffers belong to *owner* within the `with` block that this begins."""
        assert self._owner is None, f"{owner!r} takes the buffers while {self._owner!r} has them"
        self._owner = owner
        return self

    def __enter__(self) -> None:
        assert self._owner is not None, "buffers are lent to somebody"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._owner = None
