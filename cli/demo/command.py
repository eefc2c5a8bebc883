"""`jackstay demo`: plays the story, and keeps it running if asked."""

import asyncio
import json
import random
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from cli.demo import programme
from cli.demo.loopback import Network, NoNetwork
from cli.demo.processes import Child, Failed, Processes
from cli.demo.programme import Programme, Verdict
from cli.demo.stage import Site, Stage
from cli.demo.story import KEEP, STORY, Step, mirror_address
from cli.errors import explained
from cli.options import Output, OutputFormat, print_json
from cluster.errors import ClusterError
from process.run import Stopping, run

T = TypeVar("T")

INTERRUPTED = 130


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    """Two networks, a directory and no process yet; nothing of them is left afterwards. Raises NoNetwork."""
    with ExitStack() as owned:
        directory = Path(owned.enter_context(tempfile.TemporaryDirectory(prefix="jackstay-demo-")))
        west, east = (
            Site.on(owned.enter_context(Network.claimed(random.SystemRandom())), name, directory)
            for name in ("west", "east")
        )
        async with Processes(directory) as processes:
            yield Stage(directory, west, east, processes)


async def play(steps: Sequence[Step], stage: Stage, said: Programme) -> list[Verdict]:
    """Every step in order, up to the first that fails."""
    verdicts: list[Verdict] = []
    for step in steps:
        with said.showing(step.title):
            verdict = await _judge(step, stage)
        said.say(step.title, verdict)
        verdicts.append(verdict)
        if not verdict.ok:
            break
    return verdicts


async def _judge(step: Step, stage: Stage) -> Verdict:
    begun = time.monotonic()
    try:
        detail, ok = await step.play(stage), True
    except (Failed, ClusterError) as error:
        detail, ok = str(error), False
    return Verdict(step.name, ok, round(time.monotonic() - begun, 2), detail)


async def demonstrate(stopping: Stopping, said: Programme, *, keep: bool, as_json: bool) -> int:
    """The whole demo, or as much of it as there is time for; the exit code. Nothing is left of it."""
    async with staged() as stage:
        steps = (*STORY, *KEEP) if keep else STORY
        verdicts = await _unless(stopping, play(steps, stage, said))
        if verdicts is None:
            said.line("Stopped; cleaning up.", "dim")
            return INTERRUPTED
        said.end(verdicts)
        ok = all(verdict.ok for verdict in verdicts)
        if keep and ok:
            url = f"http://{await mirror_address(stage)}"
            if as_json:
                typer.echo(json.dumps(programme.as_running(verdicts, stage, url)))
            else:
                said.try_next(stage, url)
                said.line("\nIt keeps running until Ctrl-C.", "bold")
            await _unless(stopping, _watch(stage.processes.children, said))
            said.line("Ending what runs.", "dim")
        elif as_json:
            print_json(programme.as_object(verdicts))
        elif ok:
            said.line(f"\nNext:  {programme.our_command()} demo --keep    leaves it running, to try things.")
        return 0 if ok else 1


async def _unless(stopping: Stopping, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of *work*, or None if it was ended because we are to stop."""
    task, asked = asyncio.ensure_future(work), asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait((task, asked), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for part in (task, asked):
            part.cancel()
        await asyncio.wait((task, asked))


async def _watch(children: Sequence[Child], said: Programme) -> None:
    """Say so when a process ends; go on for ever, as whoever ended it may start it again."""

    async def ends(child: Child) -> None:
        await child.process.wait()
        said.line(programme.ended(child))

    await asyncio.gather(*map(ends, children), asyncio.Event().wait())


def command(
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running, until Ctrl-C.")] = False,
    output: Output = OutputFormat.TEXT,
) -> None:
    """
    Two clusters on this machine, and a service of one used from the other.

    It runs what runs in production: certificates by `jackstay certs`, two small API servers,
    gateway, mirror and outbound proxy as processes of their own. Neither root nor kubectl is
    needed. Exits with 0 if every step held.

    Example:  jackstay demo --keep
    """
    as_json = output is OutputFormat.JSON
    said = Programme(Console(stderr=as_json, highlight=False))
    with explained(NoNetwork, OSError):
        code = run(lambda stopping: demonstrate(stopping, said, keep=keep, as_json=as_json))
    raise typer.Exit(code)
