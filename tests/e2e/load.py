"""The client under load, running in its pod beside a test."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.site import Site

CALLER = (Path(__file__).parent / "caller.py").read_text()


@dataclass(slots=True)
class Load:
    """What the client has counted; known once the block is left."""

    calls: int = 0
    failed: list[dict[str, Any]] = field(default_factory=list)
    hosts: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        shown = json.dumps(self.failed[:10], indent=1)
        return f"{len(self.failed)} of {self.calls} calls failed, the first of them {shown}"


@contextmanager
def under_load(site: Site, pod: str, *, rate: float, seconds: float, longest: float) -> Iterator[Load]:
    """Calls from *pod* while the block runs, and until *seconds* are over."""
    load = Load()
    arguments = [str(rate), str(seconds), str(longest)]
    process = subprocess.Popen(
        [
            "kubectl",
            "--context",
            site.name,
            "-n",
            "test",
            "exec",
            "-i",
            pod,
            "--",
            "python3",
            "-",
            *arguments,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdin is not None
        process.stdin.write(CALLER)
        process.stdin.close()
        process.stdin = None
        yield load
        printed, errors = process.communicate(timeout=seconds + longest + 60)
        assert process.returncode == 0, errors
        counted = json.loads(printed)
        load.calls, load.failed, load.hosts = counted["calls"], counted["failed"], counted["hosts"]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
