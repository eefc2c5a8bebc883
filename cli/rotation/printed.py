"""The new contents of the places that hold anchors, printed or written for each context."""

import re
import shlex
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import typer

from certs.trust_bundle import TrustBundle
from cli.errors import CliError
from cli.manifests import as_json, as_yaml
from cli.rotation.manifests import config_map
from cli.rotation.seen import Place


class Form(StrEnum):
    """How the new trust anchors are printed."""

    YAML = "yaml"
    JSON = "json"
    PEM = "pem"


def print_places(changed: Sequence[tuple[Place, TrustBundle]], output: Form, directory: Path | None) -> None:
    """
    The new contents of places, by context: of one on stdout, of several in a file for each.

    Raises CliError.
    """
    if output is Form.PEM:
        if len(changed) != 1 or changed[0][0].context:
            raise CliError("-o pem is for one bundle from a file: --trust-anchors FILE")
        typer.echo(changed[0][1].pem.decode(), nl=False)
        return
    contexts = list(dict.fromkeys(place.context for place, _ in changed))
    if len(contexts) > 1 and directory is None:
        # One `kubectl apply` would give each cluster the anchors of the others, and take some away.
        raise CliError(
            f"the manifests of {len(contexts)} clusters cannot be applied together, and nothing was printed",
            hint="--directory DIR writes a file for each.",
        )
    if len(set(map(file_name, contexts))) < len(contexts):
        raise CliError(
            f"contexts would share a file: {', '.join(contexts)}; rename one: kubectl config rename-context"
        )
    for context in contexts:
        made = [config_map(place, bundle) for place, bundle in changed if place.context == context]
        text = as_yaml(made) if output is Form.YAML else as_json(made)
        if directory is not None:
            _write(directory / f"{file_name(context)}.{output.value}", text, context)
            continue
        if output is Form.YAML and context:
            typer.echo(f"# context {context}")
        typer.echo(text, nl=False)


def file_name(context: str) -> str:
    """What the file of *context* is called: contexts of clouds have slashes and colons in their names."""
    return re.sub(r"[^A-Za-z0-9._@-]", "_", context).lstrip(".") or "files"


def _write(path: Path, text: str, context: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror or error}") from error
    named = ("--context", context) if context else ()
    typer.echo(shlex.join(("kubectl", *named, "apply", "-f", str(path))), err=True)
