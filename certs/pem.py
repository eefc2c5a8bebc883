"""PEM files read strictly: every block whole, of a kind that was asked for, and nothing guessed."""

import base64
import binascii
import errno
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

MOST = 1 << 20
"""Bytes of a file: a ConfigMap holds no more."""

_BEGIN = re.compile(rb"^-----BEGIN ([A-Z0-9 ]{1,64})-----[ \t\r]*$", re.MULTILINE)
_DASHES = re.compile(rb"-----(?:BEGIN|END)")

_DER = re.compile(
    rb"\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...)(\x30|\x02\x01[\x00\x01]|\x02\x01\x03)", re.DOTALL
)
"""How DER begins: a sequence, and in it a sequence, or the version of a key or of PKCS #12."""

_CONVERT = {
    b"\x30": "openssl x509 -inform DER -in FILE -out FILE.pem",
    b"\x02\x01\x00": "openssl pkey -inform DER -in FILE -out FILE.pem",
    b"\x02\x01\x01": "openssl pkey -inform DER -in FILE -out FILE.pem",
    b"\x02\x01\x03": "openssl pkcs12 -in FILE -nodes -out FILE.pem",
}


class InvalidPem(ValueError):
    """The bytes are not whole PEM blocks of the kinds expected."""


class Unreadable(ValueError):
    """A file that cannot be had at all; the sentence names it."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.why = why
        """The same without the name."""


@dataclass(frozen=True, slots=True)
class Block:
    """What stood between one BEGIN and its END."""

    label: str
    body: bytes = field(repr=False)


def read(path: Path, *, most: int = MOST) -> bytes:
    """What *path* holds, up to one byte more than *most*, which `blocks` takes. Raises Unreadable."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise Unreadable(path, _why(error)) from error


def _why(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"permission denied; user {os.geteuid()}, who runs this, must be able to read it"
    if error.errno == errno.EISDIR:
        return "it is a directory; name the file in it"
    return error.strerror or str(error)


def blocks(data: bytes, *, most: int = MOST) -> list[Block]:
    """
    The blocks of *data* in order; text between blocks, as `openssl -text` writes it, is skipped.

    Raises InvalidPem if there is none, if one is cut off or is not base64, or if *data* is too long.
    """
    if len(data) > most:
        raise InvalidPem(f"{len(data)} bytes are over the {most} that such a file may have")
    found: list[Block] = []
    at = 0
    while begin := _BEGIN.search(data, at):
        _no_stray(data[at : begin.start()])
        label = begin[1].decode()
        end = b"-----END " + begin[1] + b"-----"
        stop = data.find(end, begin.end())
        if stop < 0:
            raise InvalidPem(f"block {len(found) + 1} ({label}) has no end: the file is cut off")
        found.append(Block(label, _decoded(data[begin.end() : stop], label, len(found) + 1)))
        at = stop + len(end)
    _no_stray(data[at:])
    if not found:
        raise InvalidPem(_instead(data))
    return found


def _instead(data: bytes) -> str:
    """What *data* is, having no block."""
    if not data.strip():
        return "it is empty"
    if der := _DER.match(data):
        return f"it is DER (binary), not PEM; convert it: {_CONVERT[der[1]]}"
    return "no PEM block in it (a line that begins with -----BEGIN)"


def _no_stray(between: bytes) -> None:
    if _DASHES.search(between):
        raise InvalidPem("a BEGIN or END line is damaged or stands alone")


def _decoded(body: bytes, label: str, number: int) -> bytes:
    if _DASHES.search(body):
        raise InvalidPem(f"block {number} ({label}) has another block inside: an END line is missing")
    # A key in the old form begins with headers and an empty line.
    lines = [line for line in body.split(b"\n") if b":" not in line]
    try:
        decoded = base64.b64decode(b"".join(b"".join(lines).split()), validate=True)
    except binascii.Error as error:
        raise InvalidPem(f"block {number} ({label}) is not base64: it is damaged") from error
    if not decoded:
        raise InvalidPem(f"block {number} ({label}) is empty")
    return decoded
