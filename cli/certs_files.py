"""The files of `jackstay certs`: an authority read, a certificate and its key written, and what is said."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import typer
from cryptography import x509
from rich.console import Console
from rich.text import Text

from certs import anchors, pem, weakness
from certs.authority import Authority, CannotIssue, load_authority
from certs.credentials import InvalidCredentials, read_chain, read_key
from cli.errors import CliError
from cli.options import OutputFormat, print_json
from process.files import write_atomically


def read_authority(ca: Path, ca_key: Path) -> Authority:
    """The authority of two files. Raises CliError."""
    try:
        return load_authority(read_chain(pem.read(ca)), read_key(pem.read(ca_key)))
    except pem.Unreadable as error:
        raise CliError(
            str(error),
            hint="A trust anchor is made by: jackstay certs root root.crt root.key",
        ) from error
    except (InvalidCredentials, CannotIssue) as error:
        raise CliError(f"{ca} with {ca_key}: {error}") from error


def check_free(crt: Path, key: Path, *, force: bool) -> None:
    """Raises CliError unless both files can be written, so that never one is without the other."""
    if crt.absolute() == key.absolute():
        raise typer.BadParameter("the certificate and its key cannot be one file")
    for path in (crt, key):
        if path.is_dir():
            raise CliError(f"{path} is a directory; name a file")
        if not path.absolute().parent.is_dir():
            raise CliError(f"{path.parent} is no directory; make it first: mkdir -p {path.parent}")
        if not force and (path.exists() or path.is_symlink()):
            raise CliError(f"{path} exists, and nothing was written", hint="--force replaces it.")


def write(crt: Path, certificate: bytes, key: Path, private: bytes, *, force: bool) -> None:
    _write_one(key, private, force=force)
    try:
        _write_one(crt, certificate, force=force)
    except CliError:
        if not force:
            key.unlink(missing_ok=True)
        raise


def _write_one(path: Path, data: bytes, *, force: bool) -> None:
    try:
        write_atomically(path, data, overwrite=force)
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True)
class Made:
    """A certificate and a key that were written."""

    certificate: Path
    key: Path
    kind: str
    """trust anchor, issuer or leaf."""
    about: str
    """What it is, for people."""
    name: str
    """The identity of a leaf; else the common name."""
    made: x509.Certificate
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        return {
            "certificate": str(self.certificate),
            "key": str(self.key),
            "kind": self.kind,
            "identity" if self.kind == "leaf" else "name": self.name,
            "notAfter": self.made.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "fingerprint": anchors.fingerprint(self.made),
            "warnings": list(self.warnings),
        }


def warnings_of(
    made: x509.Certificate, now: datetime, *, signer: Authority | None = None, asked: datetime | None = None
) -> tuple[str, ...]:
    """What is weak in what was made and in the *signer*, and that it ends before it was *asked* to."""
    found = [weak[0].upper() + weak[1:] + "." for weak in weakness.weaknesses(made)]
    if asked is not None and made.not_valid_after_utc < asked - timedelta(seconds=1):
        found.append("It ends with the authority that signed it, earlier than asked.")
    if signer is not None:
        about = [*weakness.weaknesses(signer.certificate), weakness.ends_soon(signer.certificate, now)]
        found += [f"The authority that signed it: {weak}." for weak in about if weak]
    return tuple(found)


def tell(made: Made, output: OutputFormat, *, following: str = "") -> None:
    """Say on stdout what was written, and to people what comes next."""
    if output is OutputFormat.JSON:
        print_json(made.as_json())
        return
    console = Console(soft_wrap=True, highlight=False)
    end = made.made.not_valid_after_utc
    console.print(Text(f"{made.certificate}: {made.about}, valid until {end:%Y-%m-%d %H:%M} UTC"))
    console.print(Text(f"{made.key}: its private key, readable by you alone"))
    print_warnings(made.warnings, console)
    if following:
        console.print(Text(f"Next:  {following}", "dim"))


def print_warnings(warnings: Sequence[str], console: Console) -> None:
    for warning in warnings:
        console.print(Text(warning, "yellow"))
