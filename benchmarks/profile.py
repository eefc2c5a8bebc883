"""`python -m benchmarks profile`: where our gateway's end spends its time in a scenario, by `perf`."""

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.accounting import tree
from benchmarks.ours import OURS
from benchmarks.programs import located
from benchmarks.samples import Scenario, Sizes
from benchmarks.scenarios import measured
from benchmarks.settings import prepared
from benchmarks.site import site

HOW_TO = "perf is not here, without which there is no profile; to have it: apt-get install linux-perf"

_OWNERS = (
    ("kernel", r"\[kernel|\[vdso\]|\[unknown\]$"),
    ("interpreter", r"python3[\d.]*$|libpython"),
    ("OpenSSL", r"libssl|libcrypto|_ssl\."),
    ("uvloop", r"loop\.cpython"),
    ("libc", r"libc[.-]|libpthread|libm[.-]|ld-linux|ld-\d"),
)


def profile(scenarios: Sequence[Scenario], sizes: Sizes) -> bool:
    """Print the shares for each; False if that is not possible, or an answer was wrong."""
    if located("perf") is None:
        print(HOW_TO)
        return False
    right = True
    with (
        tempfile.TemporaryDirectory(prefix="jackstay-benchmarks-") as directory,
        site(Path(directory), newcomers=sizes.newcomers) as here,
    ):
        for scenario in scenarios:
            data = Path(directory) / "perf.data"
            with prepared(here, scenario.setting) as there, OURS.start(there) as way:
                assert way.gateway is not None
                with _recorded(tree(way.gateway), data):
                    right &= not measured(scenario, way, there, sizes).wrong
            found = ", ".join(f"{owner} {share:.0f} %" for owner, share in shares(_report(data)).items())
            print(f"{scenario.name}: {found or 'perf has seen nothing'}")
    return right


@contextmanager
def _recorded(pids: Sequence[int], data: Path) -> Iterator[None]:
    argv = [located("perf") or "perf", "record", "--quiet", "--freq", "999", "--output", str(data)]
    heard, told = os.pipe()
    answer, answers = os.pipe()
    control = ["--control", f"fd:{heard},{answers}"]  # it answers once it records
    with (
        os.fdopen(told, "wb", buffering=0) as commands,
        os.fdopen(answer, "rb") as said,
        subprocess.Popen(
            [*argv, *control, "--pid", ",".join(map(str, pids))], pass_fds=(heard, answers)
        ) as perf,
    ):
        os.close(heard)
        os.close(answers)
        commands.write(b"ping\n")
        said.readline()  # nothing if it could not begin: then its report is empty
        try:
            yield
        finally:
            perf.send_signal(signal.SIGINT)  # then it writes what it has


def _report(data: Path) -> str:
    argv = [located("perf") or "perf", "report", "--stdio", "--sort", "dso", "--input", str(data)]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def shares(report: str) -> dict[str, float]:
    """Per cent by whose code it was, the largest first; from lines such as ` 12.5%  libssl.so.3`."""
    found: dict[str, float] = {}
    for share, library in re.findall(r"^\s*([\d.]+)%\s+(\S+)", report, re.MULTILINE):
        owner = next((name for name, pattern in _OWNERS if re.search(pattern, library)), "others")
        found[owner] = found.get(owner, 0.0) + float(share)
    return dict(sorted(found.items(), key=lambda one: -one[1]))
