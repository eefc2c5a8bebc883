"""What the demo says: for programs, for people, and lines that can be pasted."""

import io
import random
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from cli.demo.loopback import Network
from cli.demo.processes import Processes
from cli.demo.programme import Programme, Verdict, as_object, as_running, to_try
from cli.demo.stage import Site, Stage
from cli.demo.story import KEEP, STORY

HELD = Verdict("link", True, 0.5, "west sees the gateway")
FAILED = Verdict("call", False, 20.0, "no answer\n  gateway: refused")
URL = "http://127.1.2.10:9898"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    chance = random.SystemRandom()
    with Network.claimed(chance) as one, Network.claimed(chance) as other:
        directory = tmp_path / "with space"
        west, east = Site.on(one, "west", directory), Site.on(other, "east", directory)
        yield Stage(directory, west, east, Processes(directory))


def spoken(*verdicts: Verdict) -> str:
    console = Console(file=io.StringIO(), width=100)
    said = Programme(console)
    for verdict in verdicts:
        with said.showing(verdict.name):
            pass
        said.say(verdict.name, verdict)
    said.end(verdicts)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_demo_is_well_if_every_step_is() -> None:
    assert as_object([HELD]) == {
        "ok": True,
        "steps": [{"name": "link", "ok": True, "seconds": 0.5, "detail": "west sees the gateway"}],
    }
    assert as_object([HELD, FAILED])["ok"] is False


def test_a_demo_that_keeps_running_says_how_to_use_it(stage: Stage) -> None:
    running = as_running([HELD], stage, URL)
    assert running["kubeconfigs"] == {
        "west": str(stage.west.kubeconfig),
        "east": str(stage.east.kubeconfig),
    }
    assert running["urls"] == {"podinfo-east": URL}
    assert running["processes"] == []


def test_lines_without_a_terminal_are_plain() -> None:
    text = spoken(HELD, FAILED)
    assert "\x1b" not in text
    assert [line.strip() for line in text.splitlines()[-3:]] == [
        "gateway: refused",
        "",
        "call did not come true.",
    ]


def test_all_held_is_said_with_the_time() -> None:
    assert spoken(HELD).endswith("All 1 steps held, in 0.5 s.\n")


def test_lines_to_paste_survive_a_directory_with_a_space(stage: Stage) -> None:
    lines = [line for _, lines in to_try(stage, URL) for line in lines]
    assert f"KUBECONFIG={stage.west.kubeconfig}:{stage.east.kubeconfig}" in shlex.split(lines[0])
    (inspect,) = (line for line in lines if "certs inspect" in line)
    assert str(stage.anchor.certificate) in shlex.split(inspect)


def test_steps_have_names_of_their_own() -> None:
    names = [step.name for step in (*STORY, *KEEP)]
    assert len(set(names)) == len(names)
