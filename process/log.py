"""Structured logs on stderr: JSON for machines, text for people."""

import logging
import sys
from typing import Literal

import structlog

LogFormat = Literal["auto", "json", "text"]
LogLevel = Literal["debug", "info", "warning", "error"]
LEVELS = ("debug", "info", "warning", "error")


def configure(log_format: LogFormat = "auto", level: str = "info") -> None:
    """
    Send every `structlog.get_logger()` to stderr; *auto* is text on a terminal, else JSON.

    JSON lines have `timestamp` (RFC 3339, UTC), `level` and `event` first, then the keys
    of the event. Raises ValueError for a level that does not exist.
    """
    if level not in LEVELS:
        raise ValueError(f"log level {level!r} is none of {', '.join(LEVELS)}")
    as_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.add_log_level,
            *(_for_people() if as_text else _for_machines()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def _for_people() -> list[structlog.typing.Processor]:
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=28)]


def _for_machines() -> list[structlog.typing.Processor]:
    return [
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("event"),
        _order,
        structlog.processors.JSONRenderer(default=str),
    ]


def _order(
    logger: structlog.typing.WrappedLogger, name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    first = ("timestamp", "level", "event")
    return {key: event[key] for key in first} | {k: v for k, v in event.items() if k not in first}
