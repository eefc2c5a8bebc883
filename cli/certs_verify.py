"""`jackstay certs verify`: would a peer take this chain."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from certs import batch, pem
from certs.verdict import Verdict, moment, role_of, verdict
from cli.errors import CliError
from cli.options import Output, OutputFormat, print_json


def _moment(text: str | datetime) -> datetime:
    if isinstance(text, datetime):
        return text
    try:
        return moment(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _role(text: str | None) -> str | None:
    try:
        role_of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return text


Chain = Annotated[
    Path | None,
    typer.Argument(metavar="CHAIN", readable=False, help="The leaf, then its issuers, PEM."),
]
TrustAnchors = Annotated[
    Path | None,
    typer.Option(
        "--trust-anchors",
        metavar="FILE",
        readable=False,
        help="The certificates of the authorities that would vouch for it, PEM.",
    ),
]
As = Annotated[
    str | None,
    typer.Option(
        "--as",
        callback=_role,
        metavar="client|server",
        help="What its holder is in the handshake; else a client.",
    ),
]
At = Annotated[
    datetime | None,
    typer.Option("--at", parser=_moment, metavar="TIME", help="When, as 2026-01-31T12:00:00Z; else now."),
]
Batch = Annotated[
    Path | None,
    typer.Option(
        "--batch",
        metavar="FILE",
        readable=False,
        allow_dash=True,
        help="Many chains at once, as JSON lines; - is stdin.",
    ),
]


def verify(
    chain: Chain = None,
    *,
    trust_anchors: TrustAnchors = None,
    as_: As = None,
    at: At = None,
    batch_file: Batch = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """
    Say whether a peer with these trust anchors would take a chain, and if not, why.

    Exits with 0 if it would, else with 1. Asked are `cryptography`'s verifier and our own rules, as in a
    handshake; OpenSSL is not, and that the peer has the key is for a handshake to show.

    --batch takes lines {"id", "chain", "anchors", "as", "at"} with PEM in them (without "as": a client,
    without "at": now) and answers each with {"id", "ok", "reason", "identity"}, in the same order. It exits
    with 0 once all are answered, whatever the answers are.

    Example:  jackstay certs verify --trust-anchors root.crt --as server web.crt
    """
    if batch_file is not None:
        if any(given is not None for given in (chain, trust_anchors, as_, at)):
            raise typer.BadParameter("with --batch, chain, trust anchors, role and time stand in each line")
        _answer_all(batch_file)
        return
    if chain is None or trust_anchors is None:
        raise typer.BadParameter("CHAIN and --trust-anchors FILE are needed, or --batch FILE")
    try:
        found = verdict(
            pem.read(chain), pem.read(trust_anchors), role=role_of(as_), at=at or datetime.now(UTC)
        )
    except pem.Unreadable as error:
        found = Verdict.refused(str(error))
    if output is OutputFormat.JSON:
        print_json({"ok": found.ok, "reason": found.reason, "identity": found.identity})
    else:
        typer.echo(f"ok: {found.identity}" if found.ok else f"refused: {found.reason}")
    if not found.ok:
        raise typer.Exit(1)


def _answer_all(file: Path) -> None:
    if str(file) == "-":
        _answer_each(sys.stdin.buffer)
        return
    try:
        with file.open("rb") as source:
            _answer_each(source)
    except BrokenPipeError:
        raise  # whoever reads the answers has gone
    except OSError as error:
        raise CliError(f"{file} cannot be read: {error.strerror or error}") from error


def _answer_each(source: BinaryIO) -> None:
    for answer in batch.answers(batch.lines(source), now=lambda: datetime.now(UTC)):
        typer.echo(answer)  # which flushes: whoever asks line by line may wait for it
