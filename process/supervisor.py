"""
Several processes that do the same, kept running, and answered for by one.

Workers are fresh processes, started by the command line that started us: at that time (and whenever one is
replaced) we have an event loop, signal handlers and perhaps threads, none of which survives a fork in a state
that anybody promises. What a fork would save is the start, half a second, and memory that is shared until
reference counts have touched it.
"""

import asyncio
import random
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from process import sums
from process.backoff import Backoff
from process.control import Asking

log = structlog.get_logger()

_PATIENCE = 2.0
"""Seconds for an answer of a worker."""

_STEADY = 10.0
"""Seconds after which a worker is not thought to have died of its start."""

_LAST_WORDS = 5.0
"""Seconds from SIGTERM to SIGKILL, once we must end at once."""

_BACKOFF = Backoff(first=0.1, most=10.0)

_STARTING = ("start",)
"""What is missing of a worker that has not said anything yet."""


class _Worker:
    """One process, and what is known of it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.asking: Asking | None = None
        self.missing: Sequence[str] = _STARTING
        self.metrics: list[sums.Family] = []
        """As last heard."""

    def told(self, state: Any) -> None:
        self.missing = tuple(state["missing"])

    def counted(self, families: Any) -> None:
        self.metrics = [sums.Family.from_json(family) for family in families]


class Supervisor:
    """
    Keeps *count* workers running, as long as `run` does.

    *command* gives the command line of a worker from its number and the descriptor of its control socket;
    *inherited* are further descriptors for it; *gone* is called with the number of one that has ended.
    One that has not answered for *hung_after* seconds, once it had begun, is killed and replaced.
    *registry* is what is counted here, and takes our own counts.
    """

    def __init__(
        self,
        count: int,
        command: Callable[[int, int], Sequence[str]],
        registry: CollectorRegistry,
        *,
        inherited: Sequence[int],
        gone: Callable[[int], None],
        hung_after: float,
    ) -> None:
        self._command = command
        self._inherited = inherited
        self._gone = gone
        self._hung_after = hung_after
        self._workers = [_Worker(number) for number in range(count)]
        self._ending = asyncio.Event()
        self._complete = asyncio.Event()
        self._retired: list[sums.Family] = []
        self._own = registry
        self._died = Counter(
            "jackstay_worker_deaths_total",
            "Workers that ended unasked and were replaced.",
            registry=self._own,
        )
        self._hung = Counter(
            "jackstay_worker_hangs_total",
            "Workers that were killed since they did not answer.",
            registry=self._own,
        )
        self._running = Gauge("jackstay_workers", "Workers running now.", registry=self._own)

    @property
    def missing(self) -> tuple[str, ...]:
        """
        What keeps us from being ready.

        To begin with all workers must be, then any: while one is replaced the others take what comes.
        """
        if self._ending.is_set():
            return ("draining",)
        if any(not worker.missing for worker in self._workers) and self._complete.is_set():
            return ()
        return tuple(f"worker {w.number}: {', '.join(w.missing)}" for w in self._workers if w.missing)

    async def until_complete(self) -> None:
        """Return once all workers have been ready at the same time."""
        await self._complete.wait()

    async def run(self) -> None:
        """Keep the workers running until all have ended after `drain`. Cancelled, it ends them at once."""
        async with asyncio.TaskGroup() as tasks:
            for worker in self._workers:
                tasks.create_task(self._keep(worker))

    async def drain(self) -> None:
        """Ask all workers to end in an orderly way; none is replaced any more."""
        self._ending.set()
        await self.ask("drain")

    async def ask(
        self, question: str, heard: Callable[[_Worker, Any], None] = lambda worker, answer: None
    ) -> dict[int, Any]:
        """
        The answers by number of worker; one that does not answer in time is left out, and logged.

        *heard* is called with each as it comes, if that worker still lives: others may take long.
        """
        answers: dict[int, Any] = {}

        async def one(worker: _Worker, asking: Asking) -> None:
            try:
                answers[worker.number] = answer = await asking.ask(question, patience=_PATIENCE)
                if worker.asking is asking:
                    heard(worker, answer)
            except OSError as error:
                log.warning(
                    "worker.silent", worker=worker.number, question=question, error=str(error) or "timeout"
                )

        async with asyncio.TaskGroup() as tasks:
            for worker in self._workers:
                if worker.asking is not None:
                    tasks.create_task(one(worker, worker.asking))
        return dict(sorted(answers.items()))

    async def metrics(self) -> CollectorRegistry:
        """
        The sums over all workers, and what we count ourselves.

        What can only grow does so: for a worker that does not answer its last answer stands, and what is
        known of those that have ended stays in the sums. (What they counted after that is lost with them.)
        """
        await self.ask("metrics", _Worker.counted)
        processes = [worker.metrics for worker in self._workers]
        registry = CollectorRegistry()
        registry.register(sums.Shown(sums.summed([self._retired, *processes, sums.read(self._own)])))
        return registry

    async def _keep(self, worker: _Worker) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while not self._ending.is_set():
            started = loop.time()
            how = await self._life(worker)
            if self._ending.is_set():
                return
            self._died.inc()
            failures = 0 if loop.time() - started > _STEADY else failures + 1
            pause = _BACKOFF.delay(failures - 1, random.random()) if failures else 0.0
            log.error("worker.died", worker=worker.number, how=how, again_in=round(pause, 2))
            try:
                async with asyncio.timeout(pause):
                    await self._ending.wait()
            except TimeoutError:
                continue

    async def _life(self, worker: _Worker) -> str:
        """One process, from its start to its end; how that came."""
        ours, theirs = socket.socketpair()
        with theirs:
            control = theirs.fileno()
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._command(worker.number, control),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=(control, *self._inherited),
                    start_new_session=True,  # a terminal's Ctrl-C is for us, who know the order of things
                )
            except OSError as error:  # no process or no memory left: later, perhaps
                ours.close()
                return f"not started: {error.strerror}"
        self._running.inc()
        log.info("worker.started", worker=worker.number, pid=process.pid)
        try:
            worker.asking = await Asking.over(ours, lambda state: self._told(worker, state))
            if self._ending.is_set():  # while it was started
                process.terminate()
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(self._watch(worker, worker.asking, process))
                await worker.asking.listen()
                watching.cancel()
            return _how(await process.wait())
        except asyncio.CancelledError:
            await _end(process)
            raise
        finally:
            self._running.dec()
            self._gone(worker.number)
            worker.asking = None
            worker.missing = _STARTING
            self._retired = sums.summed([self._retired, sums.lasting(worker.metrics)])
            worker.metrics = []

    async def _watch(self, worker: _Worker, asking: Asking, process: asyncio.subprocess.Process) -> None:
        """
        Ask again and again whether *worker* is there, and kill it when it is not. Until cancelled.

        While all drain, who hangs is a matter of the drain's own time.
        """
        while True:
            await asyncio.sleep(self._hung_after / 3)
            if worker.missing == _STARTING or await self._is_there(asking) or self._ending.is_set():
                continue
            log.error("worker.hung", worker=worker.number, pid=process.pid, seconds=self._hung_after)
            self._hung.inc()
            process.kill()
            return

    async def _is_there(self, asking: Asking) -> bool:
        """Whether a worker answers. Asked twice: it may be we who were stopped, and its answer waits."""
        for patience in (self._hung_after, _PATIENCE):
            try:
                await asking.ask("alive", patience=patience)
            except TimeoutError:
                continue
            except ConnectionError:
                pass  # it has ended, which others will notice
            return True
        return False

    def _told(self, worker: _Worker, state: Any) -> None:
        worker.told(state)
        if not any(worker.missing for worker in self._workers):
            self._complete.set()


async def _end(process: asyncio.subprocess.Process) -> None:
    """By SIGTERM, which cancels a worker that drains already; by SIGKILL if that does not help."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_LAST_WORDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def our_command_line() -> list[str]:
    """What started this process, with the interpreter that runs it and its options."""
    return [sys.executable, *sys.orig_argv[1:]]


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
