"""
The holder of a Lease, named so that its successor on the same machine can see that it has died.

Whoever is killed cannot give its Lease back. On one machine, under one kernel, the next process need not
wait for it to run out: a process is known by its number and the moment at which it began.
"""

import os
import platform
import secrets
from pathlib import Path

_PROC = Path("/proc")


def ourselves() -> str:
    """What we call ourselves: `host_kernel_pids_pid_began_nonce`, another name each time it is asked."""
    pid = os.getpid()
    nonce = secrets.token_hex(4)
    return "_".join((platform.node() or "unknown", *_here(), str(pid), _began(pid) or "0", nonce))


def is_gone(name: str) -> bool:
    """Whether *name* is of a process of this very machine that runs no more. False if that is not certain."""
    match name.rsplit("_", 5):
        case [_, kernel, pids, pid, began, _] if pid.isdecimal() and (kernel, pids) == _here() and kernel:
            return _began(int(pid)) != began
        case _:
            return False


def _here() -> tuple[str, str]:
    """The running kernel, and the space of process numbers in it; "" for what cannot be read."""
    try:
        kernel = (_PROC / "sys/kernel/random/boot_id").read_text().strip().partition("-")[0]
        return kernel, str((_PROC / "self/ns/pid").stat().st_ino)
    except OSError:
        return "", ""


def _began(pid: int) -> str | None:
    """When process *pid* began, in ticks since the kernel did; None if there is none."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else fields[19]
