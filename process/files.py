"""Files that must be whole: written atomically, and watched for being replaced."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path


def write_atomically(path: Path, data: bytes, *, mode: int = 0o600, overwrite: bool = False) -> None:
    """
    Put *data* at *path*, whole or not at all.

    Raises FileExistsError if something is there and *overwrite* is False.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            Path(temporary).replace(path)
        else:
            os.link(temporary, path)  # unlike a rename, fails when the name is taken
    finally:
        Path(temporary).unlink(missing_ok=True)


async def changes(*paths: Path, every: float = 1.0, at_once: bool = False) -> AsyncIterator[None]:
    """
    Yield each time any of *paths* has become another file than it was; with *at_once* also now.

    Asks the file system *every* so many seconds: it works on every mount, and through the
    symlinks by which Kubernetes swaps the files of a Secret. A file that is missing is one
    of its states.
    """
    before = [_state(path) for path in paths]
    if at_once:
        yield
    while True:
        await asyncio.sleep(every)
        now = [_state(path) for path in paths]
        if now != before:
            before = now
            yield


def _state(path: Path) -> tuple[int, int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size
