"""
The file that a cluster's state survives in: JSON lines, one a change, behind a line with its identity.

    {"identity": {…}, "version": 41}
    {"kind": "services", "group": "", "put": {…}}          as many as there were objects
    {"version": 42, "kind": "secrets", "group": "", "remove": ["test", "old"]}

Each change is written, and handed to the kernel, before it holds: it survives the death of the process
(not that of the machine; nothing here is worth an fsync for each change). A last line that was cut off is
a change that nobody was told of, and is dropped. At the start, and when there are many more lines than
objects, the file is written anew with nothing but the objects. It is 0600: it holds keys and tokens.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from cluster.kinds import Kind, by_plural
from cluster.local.store import Change
from cluster.metadata import Key, Raw
from process.files import write_atomically

SPARE = 10_000
"""So many lines more than twice the objects, and the file is written anew."""


class Unusable(Exception):
    """The file is not ours, or another process has it. The message names it."""

    reason = "unusable_data"


@dataclass(slots=True)
class State:
    """What a file holds."""

    identity: dict[str, Any] = field(default_factory=dict)
    version: int = 1
    objects: dict[Kind, dict[Key, Raw]] = field(default_factory=dict)


def read(lines: Iterable[bytes]) -> State:
    """The state that *lines* add up to. Raises ValueError for one that is no line of ours."""
    state = State()
    for line in lines:
        if not line.endswith(b"\n"):
            break
        _apply(state, json.loads(line))
    return state


def _apply(state: State, entry: dict[str, Any]) -> None:
    if "identity" in entry:
        state.identity = entry["identity"]
        state.version = entry["version"]
        return
    kind = by_plural(entry["group"], entry["kind"])
    if kind is None:
        raise ValueError(f"unknown kind {entry['kind']!r}")
    state.version = entry.get("version", state.version)
    if (item := entry.get("put")) is not None:
        metadata = item["metadata"]
        state.objects.setdefault(kind, {})[Key(metadata.get("namespace", ""), metadata["name"])] = item
    else:
        del state.objects[kind][Key(*entry["remove"])]


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


class Journal:
    """
    An open file; from `open` until `close` no other process can have it open.

    *state* is what it held. The owner may change *state.identity* before the first change is recorded.
    """

    def __init__(self, path: Path, file: IO[bytes], state: State) -> None:
        self._path = path
        self._file = file
        self._state = state
        self._lines = 0

    @classmethod
    def open(cls, path: Path) -> "Journal":
        """Raises Unusable, OSError."""
        file = _locked(path)
        try:
            return cls(path, file, read(file))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            file.close()
            raise Unusable(f"{path} is not the data of a local cluster: {error!r}") from error

    @property
    def state(self) -> State:
        return self._state

    def record(self, change: Change) -> None:
        """Write *change* down. Raises OSError."""
        entry: dict[str, Any] = {
            "version": change.version,
            "kind": change.kind.plural,
            "group": change.kind.group,
            **({"remove": list(change.key)} if change.after is None else {"put": change.after}),
        }
        self._file.write(_line(entry))
        self._file.flush()
        _apply(self._state, entry)
        self._lines += 1
        if self._lines > SPARE + 2 * sum(map(len, self._state.objects.values())):
            self.compact()

    def compact(self) -> None:
        """Write the file anew, with nothing but the identity and the objects."""
        head = _line({"identity": self._state.identity, "version": self._state.version})
        body = (
            _line({"kind": kind.plural, "group": kind.group, "put": item})
            for kind, items in self._state.objects.items()
            for item in items.values()
        )
        write_atomically(self._path, b"".join((head, *body)), overwrite=True)
        old, self._file = self._file, _locked(self._path)
        old.close()
        self._lines = 0

    def close(self) -> None:
        self._file.close()


def _locked(path: Path) -> IO[bytes]:
    """The file, made if need be, open and ours alone."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        file = os.fdopen(descriptor, "a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise Unusable(f"{path} is in use by another local cluster") from error
        file.seek(0)
        if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
            return file
        file.close()
