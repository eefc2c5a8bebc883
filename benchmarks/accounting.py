"""
What a process and all its descendants have used: CPU time and memory.

CPU is user plus system time by the kernel's clock of each process (clock_getcpuclockid(3)): exact to
the nanosecond where /proc/PID/stat counts in 10 ms, and threads that have ended are in it. Children
that have ended too come from /proc/PID/stat.
"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_SCHEDULED = 2  # linux/posix-timers.h: CPUCLOCK_SCHED, of a whole process


def tree(pid: int) -> list[int]:
    """*pid* and its descendants that live now."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of *pid*'s tree so far, descendants that have ended included."""
    return sum(_own_seconds(member) + _reaped_seconds(member) for member in tree(pid))


def memory(pid: int) -> int:
    """Bytes of memory of *pid*'s tree; what is shared is shared out (PSS)."""
    return sum(_proportional(member) for member in tree(pid))


def sockets(pid: int) -> int:
    """How many sockets *pid*'s tree has open; one that several members share counts once."""
    return len({link for member in tree(pid) for link in _links(member) if link.startswith("socket:")})


def _links(pid: int) -> Iterator[str]:
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed while we look
            yield str(descriptor.readlink())


def _own_seconds(pid: int) -> float:
    return time.clock_gettime((~pid << 3) | _SCHEDULED)


def _reaped_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[13]) + int(fields[14])) / _TICKS


def _proportional(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"/proc/{pid}/smaps_rollup has no line Pss")
