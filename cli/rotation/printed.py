"""The new contents of the places that hold anchors, printed or written for each context."""

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
    """The new contents of places, by context: on stdout, or in a file for each."""
    if output is Form.PEM:
        if len(changed) != 1 or changed[0][0].context:
            raise CliError("-o pem is for one bundle from a file: --trust-anchors FILE")
        typer.echo(changed[0][1].pem.decode(), nl=False)
        return
    for context in dict.fromkeys(place.context for place, _ in changed):
        made = [config_map(place, bundle) for place, bundle in changed if place.context == context]
        text = as_yaml(made) if output is Form.YAML else as_json(made)
        if directory is not None:
            _write(directory / f"{context or 'files'}.{output.value}", text, context)
            continue
        if output is Form.YAML and context:
            typer.echo(f"# context {context}")
        typer.echo(text, nl=False)


def _write(path: Path, text: str, context: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror or error}") from error
    typer.echo(f"kubectl{f' --context {context}' if context else ''} apply -f {path}", err=True)
