"""`jackstay certs rotate`: replace the trust anchor of all clusters without losing a connection."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from rich.console import Console

from certs import anchors
from certs.trust_bundle import InvalidTrustBundle, TrustBundle
from cli.certs_bundle import warnings
from cli.errors import CliError, explained
from cli.help import App
from cli.options import (
    IN_CLUSTER,
    NAMESPACE,
    Kubeconfig,
    Namespace,
    Output,
    OutputFormat,
    address,
    print_json,
)
from cli.rotation import asked, shown
from cli.rotation.manifests import with_anchor
from cli.rotation.printed import Form, print_places
from cli.rotation.seen import Place, Seen
from cli.rotation.verdict import needing, status, still_holding
from process.address import Address

app = App(
    no_args_is_help=True,
    help="""
    Replace the trust anchor of all clusters without losing a connection.

    First both anchors everywhere, then leaves under the new one, then the old one goes. Nothing is
    changed here: what is printed is applied by you, and status asks every process what it really uses.

    Example:  jackstay certs rotate status --context west --context east
    """,
)


_PIPED = 240
"""Columns of a table that nobody watches: wide enough that no cell is broken."""

Contexts = Annotated[
    list[str] | None,
    typer.Option(
        "--context",
        metavar="NAME",
        rich_help_panel=IN_CLUSTER,
        help="A cluster, by its context; once for each. Else the current one, unless others are named.",
    ),
]
Admins = Annotated[
    list[Address] | None,
    typer.Option(
        "--admin",
        parser=address,
        metavar="HOST:PORT",
        help="A process outside of clusters, by its admin port; once for each.",
    ),
]
Present = Annotated[
    Path | None,
    typer.Option(
        "--trust-anchors",
        metavar="FILE",
        readable=False,
        help="The present bundle as a file, where processes have it from files.",
    ),
]
Patience = Annotated[
    float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="How long an answer is waited for.")
]
Directory = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Write one file for each context, DIR/CONTEXT.yaml; needed for several."
    ),
]
AsForm = Annotated[Form, typer.Option("--output", "-o", help="Manifests; pem: the bundle itself, of a file.")]


@app.command()
def begin(
    new_anchor: Annotated[
        Path,
        typer.Option(metavar="FILE", readable=False, help="The anchor that is to replace the old one, PEM."),
    ],
    *,
    contexts: Contexts = None,
    trust_anchors: Present = None,
    directory: Directory = None,
    output: AsForm = Form.YAML,
    timeout: Patience = 5.0,
    kubeconfig: Kubeconfig = None,
    namespace: Namespace = NAMESPACE,
) -> None:
    r"""
    Print what adds a new trust anchor beside the old one, for every place that holds anchors.

    That is each ConfigMap jackstay-trust-bundle of each context, in any namespace.

    Example:  jackstay certs rotate begin --new-anchor root2.crt \
    --context west --context east --directory begin

        jackstay certs rotate begin --new-anchor root2.crt --trust-anchors root.crt -o pem > bundle.crt
    """
    new = asked.new_anchor(new_anchor, datetime.now(UTC))
    clusters = asked.clusters(kubeconfig, contexts, others=trust_anchors is not None)
    places = asked.places(asked.look(clusters, (), asked.given(trust_anchors, namespace), timeout))
    lacking = [place for place in places if anchors.fingerprint(new) not in place.fingerprints]
    if not lacking:
        raise CliError(
            f"{new_anchor} is a trust anchor already, everywhere: there is nothing to add",
            hint=f"How far it is:  {asked.command('status', kubeconfig, contexts)}",
        )
    _say_of(new, lacking)
    print_places([(place, with_anchor(_held(place), new)) for place in lacking], output, directory)
    whom = "" if clusters else " --admin HOST:PORT"
    _next(
        "Apply this, each part to its own cluster. Whoever has anchors from elsewhere (a Secret's ca.crt, "
        "a file) gets both there too.",
        "Then wait until status says that all hold the newest anchor:  "
        + asked.command(f"status{whom}", kubeconfig, contexts),
        "Then make each cluster's issuer under the new anchor (jackstay certs issuer), apply it as Secret "
        "jackstay-identity-issuer, and make anew the leaves that are made by hand.",
        "When status says that all leaves are under it:  "
        + asked.command(f"finish --old-anchor FILE{whom}", kubeconfig, contexts),
    )


@app.command("status")
def show_status(
    *,
    contexts: Contexts = None,
    admin: Admins = None,
    trust_anchors: Present = None,
    timeout: Patience = 5.0,
    output: Output = OutputFormat.TEXT,
    kubeconfig: Kubeconfig = None,
    namespace: Namespace = NAMESPACE,
) -> None:
    """
    Show which trust anchors every process really uses, and which one its leaf is under.

    Exits with 0 if everybody answered, all hold the same bundle, and all leaves and issuers are under the
    anchor in it that was made last; else with 1. It takes the right to list pods, and ConfigMaps and Secrets
    named jackstay-trust-bundle and jackstay-identity-issuer, in all namespaces, and to get pods/proxy.

    Example:  jackstay certs rotate status --context west --context east

        jackstay certs rotate status --admin 127.0.0.1:9990 --admin 127.0.0.1:9991
    """
    clusters = asked.clusters(kubeconfig, contexts, others=bool(admin))
    seen = asked.look(clusters, admin or (), asked.given(trust_anchors, namespace), timeout)
    found = status(seen)
    if output is OutputFormat.JSON:
        print_json(shown.as_json(seen, found))
    else:
        console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _PIPED)
        console.print(shown.table(found), soft_wrap=False)
        for line in shown.lines(seen, found):
            console.print(line)
        console.print(shown.verdict(found, lambda name: asked.command(name, kubeconfig, contexts, admin)))
    raise typer.Exit(0 if found.complete else 1)


@app.command()
def finish(
    old_anchor: Annotated[
        str, typer.Option(metavar="ANCHOR", help="The anchor that goes: its file, or how its SHA-256 begins.")
    ],
    *,
    contexts: Contexts = None,
    admin: Admins = None,
    trust_anchors: Present = None,
    directory: Directory = None,
    output: AsForm = Form.YAML,
    timeout: Patience = 5.0,
    kubeconfig: Kubeconfig = None,
    namespace: Namespace = NAMESPACE,
) -> None:
    r"""
    Print what takes the old trust anchor away, if nobody needs it any more.

    Refuses, naming each, as long as a leaf or an issuer is under it, somebody does not hold the new one, or
    somebody does not answer. With --trust-anchors name the processes that have them by --admin.

    Example:  jackstay certs rotate finish --old-anchor root.crt \
    --context west --context east --directory finish
    """
    if trust_anchors is not None and not admin and not contexts:
        raise CliError(
            "nobody was asked, so nobody knows who still needs the old anchor",
            hint="Name the processes by --admin HOST:PORT, or their clusters by --context.",
        )
    clusters = asked.clusters(kubeconfig, contexts, others=bool(admin))
    seen = asked.look(clusters, admin or (), asked.given(trust_anchors, namespace), timeout)
    old = asked.old_anchor(old_anchor, seen)
    if blocking := needing(old, seen):
        raise CliError(
            f"the old anchor {old[:16]} is still needed, or may be:\n"
            + "\n".join(f"  {one}" for one in blocking)
        )
    holding = [place for place in seen.places if old in place.fingerprints]
    if not holding:
        _finished(old, seen)
        return
    with explained(InvalidTrustBundle):
        print_places([(place, anchors.without(_held(place), {old})) for place in holding], output, directory)
    _next(
        asked.who(seen),
        "Apply this, each part to its own cluster; take the anchor away where it is held elsewhere.",
        "Then check that nobody holds it any more:  "
        + asked.command(f"finish --old-anchor {old[:16]}", kubeconfig, contexts, admin),
        "Streams that began under the old anchor are cut after --max-identity-overrun (1 h), and not before.",
        "Keep the old anchor's key from being used again: destroy it.",
    )


def _finished(old: str, seen: Seen) -> None:
    if waiting := still_holding(old, seen):
        raise CliError(
            f"the old anchor {old[:16]} is in no bundle that was looked at any more, but still in use by:\n"
            + "\n".join(f"  {one}" for one in waiting),
            hint="A mounted ConfigMap takes about a minute. Files are given by --trust-anchors FILE.",
        )
    _next(asked.who(seen), f"None of them holds the anchor {old[:16]} any more: the rotation is finished.")


def _say_of(new: x509.Certificate, places: Sequence[Place]) -> None:
    """On stderr, what is weak in the new anchor, and if it will not be taken for the newest."""
    for sentence in warnings(anchors.of((new,)), datetime.now(UTC)):
        typer.echo(f"jackstay: warning: {sentence}", err=True)
    held = [anchor for place in places for anchor in _held(place).anchors]
    if held and anchors.newest_first([*held, new])[0] != new:
        typer.echo(
            "jackstay: warning: it was made before one of the present anchors: status takes the one that was "
            "made last for the new one, and will not call the rotation complete",
            err=True,
        )


def _held(place: Place) -> TrustBundle:
    assert place.bundle is not None
    return place.bundle


def _next(*sentences: str) -> None:
    for sentence in sentences:
        typer.echo(sentence, err=True)
