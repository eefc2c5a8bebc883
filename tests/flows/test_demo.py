"""The demo as a newcomer runs it: every step holds, twice at once, and nothing is left of it."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cli.demo.story import KEEP, STORY

LONGEST = 120


@asynccontextmanager
async def demo(directory: Path, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`jackstay demo -o json`, with its temporary files in *directory*; killed if it outlives the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", "demo", "-o", "json", *options),
        env={**os.environ, "TMPDIR": str(directory)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    try:
        async with asyncio.timeout(LONGEST):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def left_over(directory: Path) -> list[str]:
    """The processes that were started with *directory* for their temporary files, and what is in it."""
    mark = f"TMPDIR={directory}\0".encode()
    found = [str(path) for path in directory.iterdir()]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it has ended meanwhile, or is somebody else's
    return found


def has_begun(directory: Path) -> bool:
    """Whether the first processes of a demo there run."""
    return any(directory.glob("*/west.kubeconfig"))


def folder(parent: Path, name: str) -> Path:
    made = parent / name
    made.mkdir()
    return made


async def tell(directory: Path) -> tuple[int | None, dict[str, Any]]:
    """The exit code and the verdicts of a whole demo."""
    async with demo(directory) as process:
        output, errors = await process.communicate()
    assert output, errors.decode()
    verdicts: dict[str, Any] = json.loads(output)
    return process.returncode, verdicts


async def test_two_demos_at_once_hold_every_step_and_leave_nothing(tmp_path: Path) -> None:
    places = [folder(tmp_path, "one"), folder(tmp_path, "other")]
    for code, told in await asyncio.gather(*map(tell, places)):
        assert [step for step in told["steps"] if not step["ok"]] == []
        assert [step["name"] for step in told["steps"]] == [step.name for step in STORY]
        assert set(told) == {"ok", "steps"}
        assert set(told["steps"][0]) == {"name", "ok", "seconds", "detail"}
        assert (code, told["ok"]) == (0, True)
    assert [left for place in places for left in left_over(place)] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
async def test_a_demo_that_is_stopped_midway_cleans_up(tmp_path: Path, number: signal.Signals) -> None:
    async with demo(tmp_path) as process:
        while not has_begun(tmp_path):
            assert process.returncode is None
            await asyncio.sleep(0.02)
        process.send_signal(number)
        await process.communicate()
    assert process.returncode == 130
    assert left_over(tmp_path) == []


async def test_a_demo_kept_running_takes_a_restarted_process_in_its_place(tmp_path: Path) -> None:
    async with demo(tmp_path, "--keep") as process:
        assert process.stdout is not None
        line = await process.stdout.readline()
        assert line, (await process.communicate())[1].decode()
        running = json.loads(line)
        assert [step["name"] for step in running["steps"]] == [step.name for step in (*STORY, *KEEP)]
        assert running["ok"] is True
        assert set(running["kubeconfigs"]) == {"west", "east"}
        url = running["urls"]["podinfo-east"]
        assert (await greeting(url))["message"] == "greetings from east"

        (gateway,) = (each for each in running["processes"] if each["name"] == "gateway-east")
        os.kill(gateway["pid"], signal.SIGKILL)
        again = await asyncio.create_subprocess_exec(
            *gateway["argv"],
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            assert (await greeting(url))["message"] == "greetings from east"
        finally:
            again.kill()
            await again.wait()
        process.send_signal(signal.SIGINT)
        _, errors = await process.communicate()
    assert process.returncode == 0
    assert f"gateway-east (pid {gateway['pid']}) ended with -9" in errors.decode()
    assert left_over(tmp_path) == []


async def greeting(url: str) -> dict[str, Any]:
    """What `/` says, once somebody says it."""
    while True:
        try:
            async with aiohttp.ClientSession(url) as session, session.get("/") as response:
                said: dict[str, Any] = await response.json()
                return said
        except aiohttp.ClientError:
            await asyncio.sleep(0.05)
