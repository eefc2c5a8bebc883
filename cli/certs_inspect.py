"""`jackstay certs inspect`: what is in files of certificates and keys, and what is wrong with it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from certs import inspection, pem
from certs.generation import load_bundle
from certs.inspection import Opened
from certs.trust_bundle import InvalidTrustBundle
from cli.errors import explained
from cli.inspection import as_json, as_lines
from cli.options import Output, OutputFormat, print_json


def inspect(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", readable=False, help="Certificates and keys, PEM.")
    ],
    trust_anchors: Annotated[
        Path | None,
        typer.Option(
            "--trust-anchors",
            metavar="FILE",
            readable=False,
            help="Also verify the chains as a peer with these anchors would.",
        ),
    ] = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """
    Show what is in files of certificates and keys, and what is wrong.

    Exits with 1 if something is wrong, else with 0.

    Example:  jackstay certs inspect web.crt web.key --trust-anchors root.crt
    """
    with explained(InvalidTrustBundle):
        bundle = load_bundle(trust_anchors) if trust_anchors else None
    reports = inspection.inspect([_opened(file) for file in files], at=datetime.now(UTC), bundle=bundle)
    if output is OutputFormat.JSON:
        print_json(as_json(reports))
    else:
        console = Console(soft_wrap=True, highlight=False)
        for line in as_lines(reports, verified=bundle is not None):
            console.print(line)
    if any(report.wrong for report in reports):
        raise typer.Exit(1)


def _opened(file: Path) -> Opened:
    try:
        return inspection.opened(str(file), pem.read(file))
    except pem.Unreadable as error:
        return Opened(str(file), wrong=(f"the file cannot be read: {error.why}",))
