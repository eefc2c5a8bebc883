"""A supervisor over small processes that speak its language."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry

from process.supervisor import Supervisor
from tests.support.processes import until

WORKER = """
import json, os, socket, sys
control, patient, *counts = map(int, sys.argv[1:])
wire = socket.socket(fileno=control).makefile("rw")
def say(what):
    wire.write(json.dumps(what) + "\\n")
    wire.flush()
say({"told": {"missing": []}})
for count in counts:
    wire.readline()
    if patient >= 0:
        os.read(patient, 1)
    say({"answer": [["seen", "", "counter", [["seen_total", {}, count]]]]})
if patient >= 0:
    wire.readline()
"""
"""Tells *counts*, one at each question, and ends; with a descriptor, each only when a byte has come there."""


async def test_sums_are_right_although_a_worker_dies_while_they_are_gathered(tmp_path: Path) -> None:
    """It has answered and gone, and been replaced, while the other still thinks."""
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    leave, may_answer = os.pipe()
    lives = iter([(5, 8), (2, 2, 2)])
    gone: list[int] = []

    def command(number: int, control: int) -> Sequence[str]:
        patient, counts = (-1, next(lives)) if number == 0 else (leave, (1, 1, 1))
        return [sys.executable, str(script), str(control), str(patient), *map(str, counts)]

    registry = CollectorRegistry()
    supervisor = Supervisor(2, command, registry, inherited=(leave,), gone=gone.append)

    async def seen() -> float:
        value = (await supervisor.metrics()).get_sample_value("seen_total")
        assert value is not None
        return value

    running = asyncio.create_task(supervisor.run())
    try:
        await supervisor.until_complete()
        os.write(may_answer, b"1")
        assert await seen() == 5 + 1
        second = asyncio.create_task(seen())
        await until(lambda: gone == [0], "the first worker's end")
        os.write(may_answer, b"2")
        assert 5 + 1 <= await second <= 8 + 1
        await until(lambda: registry.get_sample_value("jackstay_workers") == 2, "a new worker")
        os.write(may_answer, b"3")
        assert await second <= await seen() <= 8 + 2 + 1
    finally:
        running.cancel()
        await asyncio.wait([running])
        os.close(leave)
        os.close(may_answer)
