"""`jackstay certs`: make trust anchors, issuers and leaves, and see what is in such files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from certs import authority, inspection, lifetime, pem
from certs.authority import Authority, CannotIssue
from certs.credentials import InvalidCredentials, key_pem, read_chain, read_key
from certs.generation import load_bundle
from certs.identity import Identity, InvalidIdentity, check_trust_domain
from certs.inspection import Opened
from certs.trust_bundle import InvalidTrustBundle
from cli.certs_verify import verify
from cli.errors import CliError, explained
from cli.help import App
from cli.inspection import as_json, as_lines
from cli.options import Output, OutputFormat, print_json
from process.files import write_atomically

app = App(
    no_args_is_help=True,
    help="""
    Make and inspect trust anchors, issuers and leaves.

    One trust anchor is for all clusters. Each cluster has an issuer under it, which
    signs the leaf of every workload. What `step` and `openssl` make serves too.

    Example:  jackstay certs root root.crt root.key
    """,
)


def _span(text: str) -> timedelta:
    try:
        return lifetime.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _identity(text: str) -> Identity:
    try:
        return Identity.parse(text)
    except InvalidIdentity as error:
        example = Identity("web", "test", "jackstay", "cluster.local").dns_name
        raise typer.BadParameter(f"{error}; for account web of namespace test: {example}") from error


def _domain(text: str | None) -> str | None:
    try:
        if text is not None:
            check_trust_domain(text)
    except InvalidIdentity as error:
        raise typer.BadParameter(str(error)) from error
    return text


# readable=False: a file that we may not read is our own sentence, and not wrong use.
Crt = Annotated[
    Path, typer.Argument(metavar="CRT", readable=False, help="Where the certificate is written, PEM.")
]
PrivateKey = Annotated[
    Path, typer.Argument(metavar="KEY", readable=False, help="Where its private key is written, PEM.")
]
Ca = Annotated[
    Path,
    typer.Option(
        "--ca", metavar="FILE", readable=False, help="The certificate of the authority that signs, PEM."
    ),
]
CaKey = Annotated[
    Path, typer.Option("--ca-key", metavar="FILE", readable=False, help="The private key of that authority.")
]
Lifetime = Annotated[
    timedelta,
    typer.Option("--lifetime", parser=_span, metavar="TIME", help="How long it is valid: 24h, 365d, 10y."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the files if they exist.")]
Name = Annotated[str, typer.Option("--name", metavar="NAME", help="The authority's common name, for people.")]


@app.command()
def root(
    crt: Crt,
    key: PrivateKey,
    *,
    name: Name = "root.jackstay",
    lifetime: Lifetime = "10y",  # type: ignore[assignment]  # typer parses defaults too
    force: Force = False,
) -> None:
    """
    Make a trust anchor, one for all clusters.

    Keep its key offline once the issuers are made.

    Example:  jackstay certs root root.crt root.key
    """
    _check_free(crt, key, force=force)
    with explained(CannotIssue):
        made = authority.make_root(name, now=_now(), lifetime=lifetime)
    _write(crt, made.pem, key, made.key_pem, force=force)
    _told(crt, key, f"trust anchor {name}", made.certificate.not_valid_after_utc)
    _next(
        f"jackstay certs issuer issuer.crt issuer.key --ca {crt} --ca-key {key} --trust-domain east.example"
    )


@app.command()
def issuer(
    crt: Crt,
    key: PrivateKey,
    *,
    ca: Ca,
    ca_key: CaKey,
    trust_domain: Annotated[
        str | None,
        typer.Option(
            "--trust-domain",
            callback=_domain,
            metavar="DOMAIN",
            help="Bind it to this trust domain, so that it can speak for no other cluster.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="The issuer's common name, for people.")
    ] = None,
    lifetime: Lifetime = "365d",  # type: ignore[assignment]  # typer parses defaults too
    force: Force = False,
) -> None:
    r"""
    Make a cluster's issuer, signed by the trust anchor.

    Example:  jackstay certs issuer east.crt east.key \
    --ca root.crt --ca-key root.key --trust-domain east.example
    """
    _check_free(crt, key, force=force)
    anchor, now = _authority(ca, ca_key), _now()
    with explained(CannotIssue):
        made = authority.make_issuer(
            name or f"identity.{trust_domain or 'jackstay'}"[:64],
            anchor,
            now=now,
            lifetime=lifetime,
            trust_domain=trust_domain,
        )
    _write(crt, made.pem, key, made.key_pem, force=force)
    bound = f"for trust domain {trust_domain} only" if trust_domain else "for every workload of all clusters"
    _told(crt, key, f"issuer, {bound}", made.certificate.not_valid_after_utc, asked=now + lifetime)
    _next(
        f"jackstay certs leaf web.test.serviceaccount.identity.jackstay.{trust_domain or 'cluster.local'} "
        f"web.crt web.key --ca {crt} --ca-key {key}"
    )


@app.command()
def leaf(
    identity: Annotated[
        Identity,
        typer.Argument(
            parser=_identity,
            metavar="IDENTITY",
            help="<account>.<namespace>.serviceaccount.identity.<control namespace>.<trust domain>",
        ),
    ],
    crt: Crt,
    key: PrivateKey,
    *,
    ca: Ca,
    ca_key: CaKey,
    lifetime: Lifetime = "24h",  # type: ignore[assignment]  # typer parses defaults too
    force: Force = False,
) -> None:
    r"""
    Make a workload's certificate; the file holds the leaf and its issuer.

    Example:  jackstay certs leaf \
    web.test.serviceaccount.identity.jackstay.cluster.local web.crt web.key \
    --ca issuer.crt --ca-key issuer.key
    """
    _check_free(crt, key, force=force)
    signer, now = _authority(ca, ca_key), _now()
    with explained(CannotIssue):
        chain, private = authority.make_leaf(identity, signer, now=now, lifetime=lifetime)
    _write(crt, authority.chain_pem(*chain), key, key_pem(private), force=force)
    _told(crt, key, identity.dns_name, chain[0].not_valid_after_utc, asked=now + lifetime)


@app.command()
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
    reports = inspection.inspect([_opened(file) for file in files], at=_now(), bundle=bundle)
    if output is OutputFormat.JSON:
        print_json(as_json(reports))
    else:
        console = Console(soft_wrap=True, highlight=False)
        for line in as_lines(reports, verified=bundle is not None):
            console.print(line)
    if any(report.wrong for report in reports):
        raise typer.Exit(1)


app.command()(verify)


def _opened(file: Path) -> Opened:
    try:
        return inspection.opened(str(file), pem.read(file))
    except pem.Unreadable as error:
        return Opened(str(file), wrong=(f"the file cannot be read: {error.why}",))


def _authority(ca: Path, ca_key: Path) -> Authority:
    try:
        return authority.load_authority(read_chain(pem.read(ca)), read_key(pem.read(ca_key)))
    except pem.Unreadable as error:
        raise CliError(
            str(error),
            hint="A trust anchor is made by: jackstay certs root root.crt root.key",
        ) from error
    except (InvalidCredentials, CannotIssue) as error:
        raise CliError(f"{ca} with {ca_key}: {error}") from error


def _check_free(crt: Path, key: Path, *, force: bool) -> None:
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


def _write(crt: Path, certificate: bytes, key: Path, private: bytes, *, force: bool) -> None:
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


def _told(crt: Path, key: Path, what: str, end: datetime, *, asked: datetime | None = None) -> None:
    console = Console(soft_wrap=True, highlight=False)
    console.print(Text(f"{crt}: {what}, valid until {end:%Y-%m-%d %H:%M} UTC"))
    console.print(Text(f"{key}: its private key, readable by you alone"))
    if asked is not None and end < asked - timedelta(seconds=1):
        console.print(Text("It ends with the authority that signed it, earlier than asked.", "yellow"))


def _next(line: str) -> None:
    Console(soft_wrap=True, highlight=False).print(Text(f"Next:  {line}", "dim"))


def _now() -> datetime:
    return datetime.now(UTC)
