"""Where it was measured, in one line that can stand under every number."""

import os
import platform
import ssl
import sysconfig
from collections.abc import Iterable

from benchmarks.site import Contender
from process.version import VERSION


def described(peers: Iterable[Contender]) -> str:
    openssl = " ".join(ssl.OPENSSL_VERSION.split()[:2])
    return ", ".join(
        [
            f"{os.cpu_count()} CPUs ({_processor()})",
            f"Linux {platform.release()}",
            f"jackstay {VERSION}",
            f"Python {platform.python_version()} ({_build()})",
            openssl,
            *(f"{peer.name} {peer.version()}" for peer in peers),
        ]
    )


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
