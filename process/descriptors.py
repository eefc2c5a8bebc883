"""How many files and sockets this process may have open."""

import contextlib
import resource

_OWN = 64
"""Files, admin connections, watches: what is no connection of the data path."""


def raise_limit() -> int:
    """Take all that we may have; returns how many descriptors that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # then it stays as it is
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def bounded(most: int, *, each: int, available: int) -> int:
    """*most* connections, or as many as *available* descriptors allow if *each* needs so many."""
    return max(1, min(most, (available - _OWN) // each))
