"""
`jackstay`: which commands there are, and how one is found.

A command is imported when it is run, so that `jackstay --help` costs nothing. Its module
has either a function `command` or, for a group, a `typer.Typer` called `app`.
"""

import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from cli.errors import CliError
from cli.help import App, Group

TRY = "Try it"
CERTIFICATES = "Certificates"
DATA_PATH = "The data path"
CLUSTERS = "Clusters and services"
OTHER = "Other"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of `jackstay --help`, and where the command lives (`module:attribute`)."""

    name: str
    target: str
    summary: str
    panel: str
    hidden: bool = False


COMMANDS = (
    Entry("demo", "cli.demo.command:command", "Two clusters, and a service of one used from the other.", TRY),
    Entry("certs", "cli.certs:app", "Make and inspect trust anchors, issuers and leaves.", CERTIFICATES),
    Entry("identity", "cli.identity:command", "Issue leaf certificates to workloads.", CERTIFICATES),
    Entry("gateway", "cli.gateway:command", "Let peers in by mutual TLS, to exported services.", DATA_PATH),
    Entry("outbound", "cli.outbound:command", "Carry connections to services elsewhere.", DATA_PATH),
    Entry("crds", "cli.crds:command", "Print the definitions of our custom kinds.", CLUSTERS),
    Entry("install", "cli.install.command:command", "Print what makes a cluster take part.", CLUSTERS),
    Entry("mirror", "cli.mirror:command", "Copy the exported services of linked clusters.", CLUSTERS),
    Entry("link", "cli.link:command", "Print the manifests that link a cluster to this one.", CLUSTERS),
    Entry("gateways", "cli.gateways:command", "Whether the linked clusters' gateways live.", CLUSTERS),
    Entry(
        "local-cluster", "cli.local_cluster:command", "Serve a small Kubernetes API, to try things.", OTHER
    ),
    Entry("version", "cli.version:command", "What this is made of, for a bug report.", OTHER),
    Entry("podinfo", "cli.podinfo:command", "Serve the demo's HTTP service.", OTHER, hidden=True),
)

PREFIX = "JACKSTAY_OPT_"


def option_variable(flag: str) -> str:
    """The environment variable that stands for *flag*: JACKSTAY_OPT_TRUST_ANCHORS for --trust-anchors."""
    return PREFIX + flag.lstrip("-").replace("-", "_").upper()


def load(entry: Entry) -> TyperCommand | TyperGroup:
    """Import the command, with every option also readable from the environment."""
    module, _, attribute = entry.target.partition(":")
    found: Any = getattr(import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        function, found = found, App()
        found.command()(function)
    command = typer.main.get_command(found)
    assert isinstance(command, TyperCommand | TyperGroup)
    command.name = entry.name
    _read_environment(command)
    return command


def _read_environment(command: TyperCommand | TyperGroup) -> None:
    """Give every option of *command*, and of all below it, its variable."""
    for parameter in command.params:
        if isinstance(parameter, TyperOption) and parameter.envvar is None:
            parameter.envvar = option_variable(max(parameter.opts, key=len))
            parameter.show_envvar = False  # the help says once how they are named
    if isinstance(command, TyperGroup):
        for below in command.commands.values():
            assert isinstance(below, TyperCommand | TyperGroup)
            _read_environment(below)


class Unloaded(TyperCommand):
    """A command of which only the name and a line of help are known until it is run."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry.name, help=entry.summary, hidden=entry.hidden, rich_help_panel=entry.panel)
        self._entry = entry

    # Any: click's Context, which typer carries inside and does not export.
    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return load(self._entry).make_context(info_name, args, parent, **extra)


class Commands(Group):
    """The table above as a group."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands.update({entry.name: Unloaded(entry) for entry in COMMANDS})


def _show_version(*, wanted: bool) -> None:
    if wanted:
        from process.version import VERSION

        typer.echo(f"jackstay {VERSION}")
        raise typer.Exit


def jackstay(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version.",
            is_eager=True,
            callback=lambda value: _show_version(wanted=value),
        ),
    ] = False,
) -> None:
    """
    Use a service of one Kubernetes cluster from another: mutual TLS, no service mesh.

    Example:  jackstay demo
    """


app = App(cls=Commands, pretty_exceptions_enable=False, no_args_is_help=True)
app.callback()(jackstay)


def main() -> NoReturn:
    """The entry point: run what the command line says and exit as it did."""
    try:
        app(prog_name="jackstay")
    except CliError as error:
        for line in filter(None, (f"jackstay: {error}", error.hint)):
            typer.echo(line, err=True)
        sys.exit(1)
    sys.exit(0)
