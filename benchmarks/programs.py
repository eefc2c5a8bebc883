"""Starting the programs that are measured, knowing when they serve, and ending them."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATIENCE = 30.0
"""Seconds that a busy machine may take to start a program."""

_LISTEN = "0A"  # a state in /proc/net/tcp


class DidNotStart(Exception):
    """A program has ended, or does not listen; says what it wrote."""


@contextmanager
def running(argv: Sequence[str], log: Path, *, listens: Sequence[tuple[str, int]]) -> Iterator[int]:
    """
    *argv* in a process of its own, whose id this gives, once it listens at all of *listens*.

    What it writes goes to *log*. It has ended when the block has. Raises DidNotStart.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=ROOT)
    try:
        until(
            lambda: process.poll() is not None or all(map(listened_at, listens)),
            lambda: f"{argv[0]} to listen at {listens}:\n{tail(log)}",
        )
        if process.returncode is not None:
            raise DidNotStart(f"{' '.join(argv)} has ended with {process.returncode}:\n{tail(log)}")
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    """Return once *condition* holds. Raises DidNotStart."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise DidNotStart(f"waited {PATIENCE:g} s in vain for {what()}")
        time.sleep(0.02)


def listened_at(address: tuple[str, int]) -> bool:
    """Whether somebody listens there; without connecting, which a proxy would pass on."""
    host, port = address
    wanted = f"{int.from_bytes(socket.inet_aton(host), 'little'):08X}:{port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == wanted and fields[3] == _LISTEN:
            return True
    return False


def located(program: str) -> str | None:
    """Where *program* is; a user's PATH may lack the directory in which Debian puts servers."""
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))


def own_host() -> str:
    """A loopback address that nobody else is likely to use: no port there is anybody's."""
    return ".".join(["127", *(str(1 + byte % 250) for byte in os.urandom(3))])


def free_port(host: str) -> int:
    return free_ports(host, 1)[0]


def free_ports(host: str, count: int) -> list[int]:
    """*count* ports, no two the same: one that is free again may at once be given to the next who asks."""
    with ExitStack() as held:
        socks = [held.enter_context(socket.socket()) for _ in range(count)]
        for sock in socks:
            sock.bind((host, 0))
        return [int(sock.getsockname()[1]) for sock in socks]


def tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
