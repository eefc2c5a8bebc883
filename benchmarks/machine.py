"""Where it was measured, in one line that can stand under every number."""

import os
import platform
import ssl
import subprocess
import sysconfig
from collections.abc import Iterable

from benchmarks.programs import ROOT, located
from benchmarks.site import Contender
from process.version import VERSION


def described(peers: Iterable[Contender]) -> str:
    openssl = " ".join(ssl.OPENSSL_VERSION.split()[:2])
    return ", ".join(
        [
            f"{os.cpu_count()} CPUs ({_processor()})",
            f"Linux {platform.release()}",
            f"jackstay {VERSION}{_commit()}",
            f"Python {platform.python_version()} ({_build()})",
            openssl,
            *(f"{peer.name} {peer.version()}" for peer in peers),
        ]
    )


def _commit() -> str:
    """Which state of the source ran; nothing where it is no checkout."""
    git = located("git")
    if git is None:
        return ""
    argv = [git, "describe", "--always", "--dirty=-changed", "--abbrev=8"]
    said = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)
    return f" ({said.stdout.strip()})" if said.returncode == 0 else ""


def _build() -> str:
    """An interpreter that was built without profile-guided optimisation is a fifth slower or more."""
    options = str(sysconfig.get_config_var("CONFIG_ARGS"))
    return "optimised build" if "--enable-optimizations" in options else "not an optimised build"


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
