"""A wall clock that jumps, for one process: by libfaketime, which leaves the monotonic clock alone."""

from collections.abc import Sequence
from pathlib import Path

JUMPS = {"the clock jumps a day ahead": "+1d", "the clock jumps a day back": "-1d"}

_LIBRARIES = Path("/usr/lib")


def library() -> Path | None:
    """Where libfaketime is, as Debian's package faketime puts it; None if it is not here."""
    return next(iter(sorted(_LIBRARIES.glob("*/faketime/libfaketime.so.1"))), None)


class Clock:
    """The clock of a process that is started by `argv`."""

    def __init__(self, library: Path, file: Path) -> None:
        self._library = library
        self._file = file
        self.jump("")

    def argv(self, argv: Sequence[str]) -> list[str]:
        """*argv* with this clock."""
        settings = {
            "LD_PRELOAD": self._library,
            "FAKETIME_TIMESTAMP_FILE": self._file,
            "FAKETIME_DONT_FAKE_MONOTONIC": 1,
            "FAKETIME_CACHE_DURATION": 1,
        }
        return ["env", *(f"{name}={value}" for name, value in settings.items()), *argv]

    def jump(self, jump: str) -> None:
        """Have it say, within a second, the true time and one of JUMPS; or the true time."""
        self._file.write_text(JUMPS.get(jump, "+0"))
