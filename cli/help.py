"""
What `--help` shows: options under headings, names never cut, examples as they were written.

Plain text, wrapped at the width of the terminal: to be read at 80 columns, piped and searched.
(The tables that typer would draw cut long options there.)
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

CONTEXT = {"help_option_names": ["--help", "-h"]}

EPILOG = "An option is also an environment variable: --log-level is JACKSTAY_OPT_LOG_LEVEL, and so on."

_AS_IT_IS = "\b\n"
"""What tells the formatter not to wrap the paragraph that follows."""

# Any: click's Context and HelpFormatter, which typer carries inside and does not export.
F = TypeVar("F", bound=Callable[..., Any])

Row = tuple[str, tuple[str, str]]
"""A heading, and the two columns of a line under it."""


def as_written(text: str) -> str:
    """*text* with its examples left alone: paragraphs that are indented or begin with `Example:`."""
    return "\n\n".join(map(_paragraph, text.split("\n\n")))


def _paragraph(text: str) -> str:
    first, *others = text.splitlines() or [""]
    if not first.startswith(("    ", "Example:")):
        return text
    heading = ["Example:"] if first.startswith("Example:") else []
    lines = [first.removeprefix("Example:").strip(), *("  " + line.strip() for line in others)]
    return _AS_IT_IS + "\n".join(heading + ["  " + line for line in lines])


def _write(formatter: Any, rows: Iterable[Row]) -> None:
    """Each heading once, in order of first appearance, with its lines."""
    headings: dict[str, list[tuple[str, str]]] = {}
    for heading, line in rows:
        headings.setdefault(heading, []).append(line)
    for heading, lines in headings.items():
        with formatter.section(heading):
            formatter.write_dl(lines)


def _options(command: TyperCommand | TyperGroup, context: Any) -> Iterable[Row]:
    for parameter in command.get_params(context):
        if line := parameter.get_help_record(context):
            plain = "Arguments" if parameter.param_type_name == "argument" else "Options"
            yield getattr(parameter, "rich_help_panel", None) or plain, line


def _commands(group: TyperGroup) -> Iterable[Row]:
    for name, command in group.commands.items():
        if not command.hidden:
            yield (
                getattr(command, "rich_help_panel", None) or "Commands",
                (name, command.get_short_help_str(100)),
            )


class Command(TyperCommand):
    """A command with such a help."""

    def __init__(self, *positional: Any, **settings: Any) -> None:
        super().__init__(*positional, **settings)
        self.help = as_written(self.help or "")
        self.epilog = self.epilog or EPILOG

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write(formatter, _options(self, ctx))


class Group(TyperGroup):
    """A group with such a help; its commands come first."""

    def __init__(self, *positional: Any, **settings: Any) -> None:
        super().__init__(*positional, **settings)
        self.help = as_written(self.help or "")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write(formatter, _commands(self))
        _write(formatter, _options(self, ctx))


class App(typer.Typer):
    """A `typer.Typer` whose commands have such a help."""

    def __init__(self, *, cls: type[Group] = Group, **settings: Any) -> None:
        super().__init__(
            cls=cls, add_completion=False, rich_markup_mode=None, context_settings=CONTEXT, **settings
        )

    def command(self, name: str | None = None, **settings: Any) -> Callable[[F], F]:
        """Register what is decorated, as `typer.Typer.command` does."""
        return super().command(name, cls=Command, context_settings=CONTEXT, **settings)
