"""`jackstay version`: what this is made of, for a bug report."""

import platform
import ssl
from importlib import metadata

import typer

from cli.options import Output, OutputFormat, print_json
from process.version import VERSION

LIBRARIES = ("aiohttp", "cryptography", "kubernetes_asyncio", "uvloop")


def command(output: Output = OutputFormat.TEXT) -> None:
    """
    What this is made of, for a bug report.

    Example:  jackstay version -o json
    """
    made_of = versions()
    if output is OutputFormat.JSON:
        print_json(made_of)
    else:
        width = max(map(len, made_of))
        for name, version in made_of.items():
            typer.echo(f"{name:{width}}  {version}")


def versions() -> dict[str, str]:
    """Each part and its version; ours first."""
    return {
        "jackstay": VERSION,
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
        **{name: metadata.version(name) for name in LIBRARIES},
    }
