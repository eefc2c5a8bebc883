"""What ends a command with one sentence instead of a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager


class CliError(Exception):
    """
    The command cannot do what was asked: one sentence, and what to do about it.

    `main` prints it on stderr and exits with 1. (Wrong use, which typer finds, exits with 2.)
    """

    def __init__(self, sentence: str, *, hint: str = "") -> None:
        super().__init__(sentence)
        self.hint = hint
        """What the person can do about it, as a sentence or a command line; "" if the sentence says it."""


@contextmanager
def explained(*kinds: type[Exception], hint: str = "") -> Iterator[None]:
    """Turn errors of these *kinds*, whose text is meant for people, into CliError."""
    try:
        yield
    except kinds as error:
        raise CliError(_sentence(error), hint=hint) from error


def _sentence(error: Exception) -> str:
    """What *error* says; of the system's errors the words, without number and quotes."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
