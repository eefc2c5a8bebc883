"""`jackstay certs bundle`: several trust anchors in one file, or one of them out of it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography import x509
from rich.console import Console
from rich.text import Text

from certs import anchors, weakness
from certs.generation import load_bundle
from certs.trust_bundle import InvalidTrustBundle, TrustBundle
from cli.errors import CliError, explained
from cli.options import Output, OutputFormat, print_json
from process.files import write_atomically

SHORTEST = 8
"""Digits of a fingerprint that name an anchor."""


def bundle(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", readable=False, help="The bundle: written, or alone, only shown.")
    ],
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE...", readable=False, help="What comes into it, PEM; OUT may be among them."
        ),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(metavar="ANCHOR", help="Leave this one out: its file, or how its SHA-256 begins."),
    ] = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
    output: Output = OutputFormat.TEXT,
) -> None:
    r"""
    Put trust anchors into one file, each once, or take one out; with OUT alone, show it.

    The digest is the one that processes tell (jackstay_trust_bundle_info).

    Example:  jackstay certs bundle both.crt root.crt root2.crt

        jackstay certs bundle bundle.crt bundle.crt --remove root.crt --force
    """
    if remove and not files:
        raise CliError(
            "nothing is written when one file is shown, so nothing can be removed from it",
            hint=f"jackstay certs bundle {out} {out} --remove {remove[0]} --force",
        )
    with explained(InvalidTrustBundle):
        made = anchors.of(anchor for file in files or [out] for anchor in load_bundle(file).anchors)
        for removed in remove or ():
            made = anchors.without(made, {named(removed, made.anchors)})
    if files:
        _write(out, made, force=force)
    _tell(out, made, datetime.now(UTC), output)


def named(text: str, held: Sequence[x509.Certificate]) -> str:
    """
    The fingerprint of that one of *held* that *text* names: its file, or how its SHA-256 begins.

    Raises CliError.
    """
    if Path(text).exists():
        with explained(InvalidTrustBundle):
            found = load_bundle(Path(text)).anchors
        if len(found) != 1:
            raise CliError(f"{text} holds {len(found)} trust anchors; name one, by its own file or SHA-256")
        known_as = anchors.fingerprint(found[0])
    else:
        known_as = text.replace(":", "").lower()
    matching = {one for one in map(anchors.fingerprint, held) if one.startswith(known_as)}
    if len(known_as) < SHORTEST or len(matching) != 1:
        among = ", ".join(anchors.fingerprint(one)[:16] for one in held) or "none"
        raise CliError(
            f"{text} is no file of one of these trust anchors, nor how the SHA-256 of just one begins",
            hint=f"Give at least {SHORTEST} digits. There are: {among}",
        )
    return matching.pop()


def warnings(held: TrustBundle, at: datetime) -> list[str]:
    """What is weak in the anchors of a bundle, has ended or soon will."""
    return [
        f"anchor {anchors.fingerprint(anchor)[:16]}: {sentence}"
        for anchor in held.anchors
        for sentence in (weakness.ends_soon(anchor, at), *weakness.weaknesses(anchor))
        if sentence
    ]


def _write(out: Path, made: TrustBundle, *, force: bool) -> None:
    try:
        write_atomically(out, made.pem, mode=0o644, overwrite=force)
    except FileExistsError as error:
        raise CliError(f"{out} exists, and nothing was written", hint="--force replaces it.") from error
    except OSError as error:
        raise CliError(f"{out} cannot be written: {error.strerror or error}") from error


def _tell(out: Path, made: TrustBundle, at: datetime, output: OutputFormat) -> None:
    weak = warnings(made, at)
    if output is OutputFormat.JSON:
        print_json(_as_json(out, made, weak))
        return
    console = Console(soft_wrap=True, highlight=False)
    one = len(made.anchors) == 1
    console.print(Text(f"{out}: {len(made.anchors)} trust anchor{'' if one else 's'}, sha256 {made.digest}"))
    for anchor in made.anchors:
        name, end = anchor.subject.rfc4514_string(), anchor.not_valid_after_utc
        console.print(Text(f"  {anchors.fingerprint(anchor)}  {name}, valid until {end:%Y-%m-%d}"))
    for warning in weak:
        console.print(Text(f"  ! {warning}", "yellow"))


def _as_json(out: Path, made: TrustBundle, weak: list[str]) -> dict[str, Any]:
    return {
        "bundle": str(out),
        "sha256": made.digest,
        "anchors": [
            {
                "fingerprint": anchors.fingerprint(anchor),
                "name": anchor.subject.rfc4514_string(),
                "notBefore": anchor.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "notAfter": anchor.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
            for anchor in made.anchors
        ],
        "warnings": weak,
    }
