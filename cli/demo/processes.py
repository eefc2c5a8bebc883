"""The processes of the demo: started as a person would, each with its log, all ended with us."""

import asyncio
import ctypes
import os
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cli.app import PREFIX

GRACE = 4.0
"""Seconds a process has to end when asked."""

TAIL = 8
"""Lines of a log that a failure shows."""

PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """A step of the story did not come true; the text says what was seen instead."""

    reason = "step_failed"


@dataclass(frozen=True, slots=True)
class Child:
    """A process that keeps running."""

    name: str
    argv: tuple[str, ...]
    log: Path
    process: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def ended(self) -> int | None:
        """Its exit code; None while it runs."""
        return self.process.returncode

    def tail(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL:]
        return "\n".join(f"  {self.name}: {line[:400]}" for line in lines)


def jackstay() -> tuple[str, ...]:
    """How our own command is called: by its installed name or, without one, as a module."""
    script = Path(sys.executable).parent / "jackstay"
    return (str(script),) if script.exists() else (sys.executable, "-P", "-m", "cli")


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """*ours* without what would give the processes other settings than their command lines say."""
    return {
        name: value
        for name, value in ours.items()
        if not name.startswith(PREFIX) and name not in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST")
    }


class Processes:
    """
    Those that run now. An async context manager: none is left when the block ends.

    Should this process be killed without a chance to end them, the kernel does it.
    """

    def __init__(self, logs: Path, *, grace: float = GRACE) -> None:
        self._logs = logs
        self._grace = grace
        self._environment = environment(os.environ)
        self._children: dict[str, Child] = {}

    async def __aenter__(self) -> "Processes":
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        ending = asyncio.ensure_future(self._end())
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await ending
            raise

    def __getitem__(self, name: str) -> Child:
        """The process of that name. Raises KeyError if none was started."""
        return self._children[name]

    @property
    def children(self) -> tuple[Child, ...]:
        """All that were started to keep running, in that order."""
        return tuple(self._children.values())

    async def start(self, name: str, *arguments: str) -> Child:
        """Start `jackstay` with *arguments*; its output goes to its log."""
        argv = (*jackstay(), *arguments)
        log = self._logs / f"{name}.log"
        with log.open("ab") as output:
            process = await self._spawn(argv, output.fileno(), output.fileno())
        child = Child(name, argv, log, process)
        self._children[name] = child
        return child

    async def run(self, *arguments: str) -> str:
        """What `jackstay` with *arguments* printed. Raises Failed if it exits with another code than 0."""
        argv = (*jackstay(), *arguments)
        process = await self._spawn(argv, asyncio.subprocess.PIPE, asyncio.subprocess.PIPE)
        try:
            output, errors = await process.communicate()
        except BaseException:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            said = errors.decode(errors="replace").strip()
            raise Failed(
                f"`{shlex.join(('jackstay', *arguments))}` exited with {process.returncode}:\n{said}"
            )
        return output.decode()

    async def _spawn(self, argv: Sequence[str], output: int, errors: int) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env=self._environment,
            start_new_session=True,  # a Ctrl-C at the terminal is for us; we end them in order
            preexec_fn=_die_with_parent(os.getpid()),
        )

    async def _end(self) -> None:
        for child in reversed(self.children):
            _signal(child.process, signal.SIGTERM)
        endings = [asyncio.ensure_future(child.process.wait()) for child in self.children]
        if endings:
            await asyncio.wait(endings, timeout=self._grace)
            for child in self.children:
                _signal(child.process, signal.SIGKILL)
            await asyncio.wait(endings)


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(number)


def _die_with_parent(parent: int) -> Callable[[], None]:
    """What a child does before it becomes its program: ask the kernel to end it with *parent*."""

    def ask() -> None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return ask


_LIBC = ctypes.CDLL(None)
