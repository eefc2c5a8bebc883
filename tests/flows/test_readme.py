"""What README.md shows can be done as it stands there."""

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from gateway.files import read_routes, read_targets

HOUSE = Path(__file__).parents[2]
README = (HOUSE / "README.md").read_text()


def block(language: str, containing: str) -> str:
    found = [
        text for text in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if containing in text
    ]
    assert len(found) == 1
    return str(found[0])


def test_the_files_it_shows_are_those_that_lie_there() -> None:
    tryout = HOUSE / "docs" / "tryout"
    assert read_routes(block("toml", "[[export]]")) == read_routes((tryout / "routes.toml").read_text())
    assert read_targets(block("toml", "[[target]]")) == read_targets((tryout / "targets.toml").read_text())


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on the PATH: apt-get install curl")
async def test_both_ends_run_from_files_by_its_lines(tmp_path: Path) -> None:
    """The lines as they are, but on addresses that nobody else has, in a copy of the directory."""
    shutil.copytree(HOUSE / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("*.crt", "*.key"))
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    address = f"127.{30 + os.getpid() % 200}.{os.getpid() // 200 % 250}.7"
    for file in (tmp_path / "docs" / "tryout").glob("*.toml"):
        file.write_text(file.read_text().replace("127.0.0.1", address))
    lines = block("sh", "docs/tryout").replace("127.0.0.1", address).replace("sleep 2", f"{WAIT}")
    script = f"trap 'kill $(jobs -p); wait' EXIT\n{lines}\n"
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", script.replace("ADDRESS", address)),
        cwd=tmp_path,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert b"greetings from here" in output  # what the server behind the gateway says


WAIT = "for _ in $(seq 200); do curl -sf http://ADDRESS:7001/ > /dev/null && break; sleep 0.1; done"
