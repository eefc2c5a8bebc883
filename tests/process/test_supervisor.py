"""A supervisor over small processes that speak its language."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

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
    supervisor = Supervisor(2, command, registry, inherited=(leave,), gone=gone.append, hung_after=3600)

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


ANSWERING = """
import json, socket, sys
wire = socket.socket(fileno=int(sys.argv[1])).makefile("rw")
def say(what):
    wire.write(json.dumps(what) + "\\n")
    wire.flush()
if sys.argv[2] == "serving":
    say({"told": {"missing": []}})
while line := wire.readline():
    with open(sys.argv[3], "a") as asked:
        asked.write(line)
    if sys.argv[2] == "serving":
        say({"answer": True})
"""
"""Writes what it is asked into a file and, if it is *serving*, answers."""


async def test_one_that_hangs_is_killed_and_replaced_and_the_others_are_not(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(ANSWERING)
    gone: list[int] = []

    def command(number: int, control: int) -> Sequence[str]:
        return [sys.executable, str(script), str(control), "serving", str(tmp_path / str(number))]

    def asked(number: int) -> int:
        file = tmp_path / str(number)
        return len(file.read_text().splitlines()) if file.exists() else 0

    registry = CollectorRegistry()
    supervisor = Supervisor(2, command, registry, inherited=(), gone=gone.append, hung_after=1.0)
    with capture_logs() as logs:
        running = asyncio.create_task(supervisor.run())
        try:
            await supervisor.until_complete()
            await until(lambda: asked(0) >= 3 and asked(1) >= 3, "questions")
            first = next(line["pid"] for line in logs if line.get("worker") == 0)
            os.kill(first, signal.SIGSTOP)
            await until(lambda: gone == [0], "the end of the one that hangs")
            await until(lambda: registry.get_sample_value("jackstay_workers") == 2, "a new worker")
            before = asked(0), asked(1)
            await until(lambda: asked(0) >= before[0] + 3 and asked(1) >= before[1] + 3, "more questions")
        finally:
            running.cancel()
            await asyncio.wait([running])
    hung = [(line["worker"], line["pid"]) for line in logs if line["event"] == "worker.hung"]
    died = [(line["worker"], line["how"]) for line in logs if line["event"] == "worker.died"]
    assert (hung, died) == ([(0, first)], [(0, "SIGKILL")])
    assert registry.get_sample_value("jackstay_worker_hangs_total") == 1
    assert registry.get_sample_value("jackstay_worker_deaths_total") == 1


async def test_one_that_has_not_begun_is_not_taken_for_one_that_hangs(tmp_path: Path) -> None:
    """A start may take long, on a machine with much to do; the others are watched meanwhile."""
    script = tmp_path / "worker.py"
    script.write_text(ANSWERING)

    def command(number: int, control: int) -> Sequence[str]:
        how = "serving" if number else "starting"
        return [sys.executable, str(script), str(control), how, str(tmp_path / str(number))]

    registry = CollectorRegistry()
    supervisor = Supervisor(2, command, registry, inherited=(), gone=lambda _: None, hung_after=0.1)
    running = asyncio.create_task(supervisor.run())
    try:
        file = tmp_path / "1"
        # Long enough for the other to have been given up, had it been asked.
        await until(lambda: file.exists() and len(file.read_text().splitlines()) >= 100, "questions")
        assert not (tmp_path / "0").exists()
        assert registry.get_sample_value("jackstay_worker_deaths_total") == 0
    finally:
        running.cancel()
        await asyncio.wait([running])
