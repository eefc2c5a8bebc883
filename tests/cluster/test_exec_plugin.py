"""A token from a plugin, which may open a browser: it is run once for all who wait for it."""

import asyncio
from typing import Any

import pytest

from cluster import exec_plugin
from cluster.exec_plugin import ExecToken


async def test_who_asks_while_the_plugin_runs_waits_for_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    runs, go = 0, asyncio.Event()

    async def run(plugin: Any) -> tuple[str, None]:
        nonlocal runs
        runs += 1
        await go.wait()
        return f"token-{runs}", None

    monkeypatch.setattr(exec_plugin, "_run", run)
    source = ExecToken({"command": "login"})
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(source.token()) for _ in range(3)]
        await asyncio.sleep(0)
        go.set()
    assert {task.result() for task in waiting} == {"token-1"}
    source.refused()
    assert await source.token() == "token-2"
