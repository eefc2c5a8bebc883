"""`jackstay certs root`, `issuer` and `leaf`: make certificates, each with a new key."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from certs import authority, lifetime
from certs.authority import CannotIssue
from certs.credentials import key_pem
from certs.identity import Identity, InvalidIdentity, check_trust_domain
from cli.certs_files import Made, check_free, read_authority, tell, warnings_of, write
from cli.errors import explained
from cli.options import Output, OutputFormat


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


def root(
    crt: Crt,
    key: PrivateKey,
    *,
    name: Name = "root.jackstay",
    lifetime: Lifetime = "10y",  # type: ignore[assignment]  # typer parses defaults too
    force: Force = False,
    output: Output = OutputFormat.TEXT,
) -> None:
    """
    Make a trust anchor, one for all clusters.

    Keep its key offline once the issuers are made.

    Example:  jackstay certs root root.crt root.key
    """
    check_free(crt, key, force=force)
    now = _now()
    with explained(CannotIssue):
        made = authority.make_root(name, now=now, lifetime=lifetime)
    write(crt, made.pem, key, made.key_pem, force=force)
    weak = warnings_of(made.certificate, now)
    tell(
        Made(crt, key, "trust anchor", f"trust anchor {name}", name, made.certificate, weak),
        output,
        following="jackstay certs issuer issuer.crt issuer.key "
        f"--ca {crt} --ca-key {key} --trust-domain east.example",
    )


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
    output: Output = OutputFormat.TEXT,
) -> None:
    r"""
    Make a cluster's issuer, signed by the trust anchor.

    Example:  jackstay certs issuer east.crt east.key \
    --ca root.crt --ca-key root.key --trust-domain east.example
    """
    check_free(crt, key, force=force)
    anchor, now = read_authority(ca, ca_key), _now()
    called = name or f"identity.{trust_domain or 'jackstay'}"[:64]
    with explained(CannotIssue):
        made = authority.make_issuer(
            called,
            anchor,
            now=now,
            lifetime=lifetime,
            trust_domain=trust_domain,
        )
    write(crt, made.pem, key, made.key_pem, force=force)
    bound = f"for trust domain {trust_domain} only" if trust_domain else "for every workload of all clusters"
    weak = warnings_of(made.certificate, now, signer=anchor, asked=now + lifetime)
    tell(
        Made(crt, key, "issuer", f"issuer, {bound}", called, made.certificate, weak),
        output,
        following="jackstay certs leaf "
        f"web.test.serviceaccount.identity.jackstay.{trust_domain or 'cluster.local'} "
        f"web.crt web.key --ca {crt} --ca-key {key}",
    )


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
    output: Output = OutputFormat.TEXT,
) -> None:
    r"""
    Make a workload's certificate; the file holds the leaf and its issuer.

    Example:  jackstay certs leaf \
    web.test.serviceaccount.identity.jackstay.cluster.local web.crt web.key \
    --ca issuer.crt --ca-key issuer.key
    """
    check_free(crt, key, force=force)
    signer, now = read_authority(ca, ca_key), _now()
    with explained(CannotIssue):
        chain, private = authority.make_leaf(identity, signer, now=now, lifetime=lifetime)
    write(crt, authority.chain_pem(*chain), key, key_pem(private), force=force)
    weak = warnings_of(chain[0], now, signer=signer, asked=now + lifetime)
    tell(Made(crt, key, "leaf", identity.dns_name, identity.dns_name, chain[0], weak), output)


def _now() -> datetime:
    return datetime.now(UTC)
