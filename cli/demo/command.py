"""`jackstay demo`: plays the story, and keeps it running if asked."""

import asyncio
import json
import random
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated

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


async def demonstrate(said: Programme, *, keep: bool, as_json: bool) -> int:
    """The whole demo; the exit code."""
    async with staged() as stage:
        verdicts = await play((*STORY, *KEEP) if keep else STORY, stage, said)
        said.end(verdicts)
        ok = all(verdict.ok for verdict in verdicts)
        if keep and ok:
            url = f"http://{await mirror_address(stage)}"
            if as_json:
                typer.echo(json.dumps(programme.as_running(verdicts, stage, url)))
            else:
                said.try_next(stage, url)
                said.line("\nIt keeps running until Ctrl-C.", "bold")
            await _watch(stage.processes.children, said)
        elif as_json:
            print_json(programme.as_object(verdicts))
        elif ok:
            said.line(
                f"\nNext:  {programme.our_command()} demo --keep    leaves it running, for kubectl and curl."
            )
        return 0 if ok else 1


async def _watch(children: Sequence[Child], said: Programme) -> None:
    """Say so when a process ends; go on for ever, as whoever ended it may start it again."""

    async def ends(child: Child) -> None:
        await child.process.wait()
        said.line(programme.ended(child))

    await asyncio.gather(*map(ends, children))
    await asyncio.Event().wait()


async def _until_stopped(stopping: Stopping, said: Programme, *, keep: bool, as_json: bool) -> int:
    """The demo, or as much of it as there is time for; what it made is cleaned up either way."""
    demo = asyncio.ensure_future(demonstrate(said, keep=keep, as_json=as_json))
    asked = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait((demo, asked), return_when=asyncio.FIRST_COMPLETED)
        if demo.done():
            return demo.result()
        said.line("\nCleaning up.", "dim")
        return 130
    finally:
        for task in (demo, asked):
            task.cancel()
        await asyncio.wait((demo, asked))


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
        code = run(lambda stopping: _until_stopped(stopping, said, keep=keep, as_json=as_json))
    raise typer.Exit(code)
