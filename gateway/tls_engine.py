"""
One TLS 1.3 connection as bytes in, bytes out: `ssl.SSLObject` between two memory BIOs.

Both event loops' own TLS transports close the whole connection when one direction ends, so a client
that half-closes loses its answer, and they drop the alert that says why a handshake failed. This
engine does neither. It is fed whole TLS records, from the first byte on, and after the handshake one at
a time: what comes out of a record is then known exactly, a peer that sends records without data is
noticed, and ciphertext that is not wanted yet stays outside (`unwrap` would lose it).

Not thread-safe: while a handshake step runs in a thread nothing else may touch the engine.
"""

import ssl
from collections.abc import Callable

from gateway.refusals import ProtocolViolation

RECORD_HEADER = 5
MAX_RECORD = 16384 + 256
"""A record's payload, at most (RFC 8446 section 5.2)."""

HANDSHAKE_BUDGET = 16 * 1024
"""Bytes of a peer's handshake that are looked at before it has shown who it is."""

MAX_EMPTY_RECORDS = 32
"""Records without data (KeyUpdate, padding) in 64 KiB of data. 2.7 MB of them cost others seconds of CPU."""

_DATA_FOR_EMPTY_RECORDS = 64 * 1024

_OUTPUT_CAUSED_BY_READING = 64 * 1024


class HandshakeTooLong(ProtocolViolation):
    """The peer's part of the handshake is longer than any honest one."""


class TlsEngine:
    """One end of a TLS connection."""

    __slots__ = (
        "_data_since_empty",
        "_empty_records",
        "_fed",
        "_incoming",
        "_read",
        "_tls",
        "_write",
        "answers",
        "finished",
        "peer_finished",
    )

    def __init__(self, context: ssl.SSLContext, *, server_name: str | None) -> None:
        """A client towards *server_name*, or with None a server."""
        self._incoming = ssl.MemoryBIO()
        self.answers = ssl.MemoryBIO()
        """What waits for the wire; asked for its `pending` after every read."""
        self._tls = context.wrap_bio(
            self._incoming,
            self.answers,
            server_side=server_name is None,
            server_hostname=server_name,
        )
        # What SSLObject's own `read` and `write` call, without their Python frame: with a buffer, `read`
        # returns a count.
        inner = self._tls._sslobj  # type: ignore[attr-defined]  # noqa: SLF001
        self._read: Callable[[int, memoryview], int] = inner.read
        self._write: Callable[[memoryview], int] = inner.write
        self._fed = 0
        self._empty_records = 0
        self._data_since_empty = 0
        self.finished = False
        """Whether we have said close_notify."""
        self.peer_finished = False
        """Whether the peer's close_notify has been read: it sends no more."""

    @property
    def tls(self) -> ssl.SSLObject:
        """For those who verify the peer; not for reading or writing."""
        return self._tls

    @property
    def alpn(self) -> str | None:
        """What both ends agreed to speak; OpenSSL goes on silently when that is nothing."""
        return self._tls.selected_alpn_protocol()

    def shake_hands(self, ciphertext: bytes) -> tuple[bool, int]:
        """
        Go on with the handshake, with the whole records at the start of *ciphertext*.

        Returns whether it is complete and how many bytes were taken: what follows a complete
        handshake is data and is not touched. Raises ssl.SSLError for a peer that OpenSSL refuses
        (the alert is then in `outgoing`) and ProtocolViolation for bytes that are not TLS, or more
        than an honest handshake has. Takes milliseconds of CPU, most of them without the GIL.
        """
        taken = whole_records(memoryview(ciphertext), HANDSHAKE_BUDGET - self._fed)
        # All at once, since each call gives up the GIL and fights for it. OpenSSL reads no further
        # than it must: what it leaves behind a complete handshake is taken out again.
        self._incoming.write(ciphertext[:taken])
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._fed += taken
            self._check_budget(ciphertext[taken : taken + RECORD_HEADER])
            return False, taken
        return True, taken - len(self._incoming.read())

    def _check_budget(self, header: bytes) -> None:
        """Raises HandshakeTooLong if the record that begins with *header* is over what is left."""
        more = RECORD_HEADER + (header[3] << 8 | header[4]) if len(header) == RECORD_HEADER else len(header)
        if self._fed + more > HANDSHAKE_BUDGET:
            raise HandshakeTooLong(f"a handshake of more than {HANDSHAKE_BUDGET} bytes")

    def decrypt(self, ciphertext: memoryview, into: memoryview) -> tuple[int, int]:
        """
        Decrypt the whole records at the start of *ciphertext* into *into*.

        Returns how many bytes of *ciphertext* were taken and how many of *into* filled; *into* must
        be larger than *ciphertext*. Stops early at the peer's close_notify. Raises ssl.SSLError on
        forged records and ProtocolViolation on bytes that are not TLS, or on a flood of records
        without data. Reading may cause `outgoing` bytes.
        """
        taken, filled, size = 0, 0, len(ciphertext)
        feed, read = self._incoming.write, self._read
        while size - taken > RECORD_HEADER and not self.peer_finished:
            length = ciphertext[taken + 3] << 8 | ciphertext[taken + 4]
            if length > MAX_RECORD:
                raise ProtocolViolation("a record longer than TLS allows")
            end = taken + RECORD_HEADER + length
            if end > size:
                break
            feed(ciphertext[taken:end] if taken or end < size else ciphertext)
            taken = end
            try:
                count = read(MAX_RECORD, into[filled:] if filled else into)
            except ssl.SSLWantReadError:
                self._count_empty()
                continue
            except ssl.SSLZeroReturnError:
                count = 0
            if count:
                filled += count
                if self._empty_records:
                    self._forgive(count)
            else:
                self.peer_finished = True
        return taken, filled

    def encrypt(self, plaintext: memoryview) -> bytes:
        """The records that carry *plaintext*, and whatever else was waiting for the wire."""
        written, size = self._write(plaintext), len(plaintext)
        while written < size:
            written += self._write(plaintext[written:])
        return self.answers.read()

    def finish(self) -> bytes:
        """
        close_notify: what tells the peer that we send no more. Nothing, if it has been told before.

        `unwrap` sends it and then reads; since no ciphertext is inside, wanting more is success. (With
        some inside it raises, and what it has read is lost: `decrypt` leaves none behind.)
        """
        if self.finished:
            return b""
        self.finished = True
        try:
            self._tls.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        except ssl.SSLError:
            return b""  # the session is broken already; there is nobody to tell
        return self.answers.read()

    def outgoing(self) -> bytes:
        """What waits for the wire: handshake messages, alerts, answers to a KeyUpdate."""
        return self.answers.read() if self.answers.pending else b""

    def _forgive(self, count: int) -> None:
        """Data, of which enough makes up for records without any."""
        self._data_since_empty += count
        if self._data_since_empty >= _DATA_FOR_EMPTY_RECORDS:
            self._empty_records = self._data_since_empty = 0

    def _count_empty(self) -> None:
        self._empty_records += 1
        if self._empty_records >= MAX_EMPTY_RECORDS:
            raise ProtocolViolation(
                f"{MAX_EMPTY_RECORDS} records without data, with less than {_DATA_FOR_EMPTY_RECORDS} bytes"
            )
        if self.answers.pending > _OUTPUT_CAUSED_BY_READING:
            raise ProtocolViolation("records that want more answers than they are worth")


def whole_records(ciphertext: memoryview, most: int) -> int:
    """The length of the TLS records that are whole at the start of *ciphertext*, *most* bytes of them."""
    taken = 0
    while (length := whole_record(ciphertext[taken:])) and taken + length <= most:
        taken += length
    return taken


def whole_record(ciphertext: memoryview) -> int:
    """
    The length of the TLS record at the start of *ciphertext*, header included; 0 if it is not whole.

    Raises ProtocolViolation if no TLS record begins like that.
    """
    if len(ciphertext) and not 20 <= ciphertext[0] <= 23:
        raise ProtocolViolation("what was sent is not TLS")
    if len(ciphertext) >= 2 and ciphertext[1] != 3:
        raise ProtocolViolation("what was sent is not TLS")
    if len(ciphertext) < RECORD_HEADER:
        return 0
    length = ciphertext[3] << 8 | ciphertext[4]
    if length > MAX_RECORD:
        raise ProtocolViolation("a record longer than TLS allows")
    return RECORD_HEADER + length if len(ciphertext) >= RECORD_HEADER + length else 0
