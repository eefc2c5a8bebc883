"""Structured logs on stderr: JSON for machines, text for people."""

import json
import logging
import sys
from datetime import UTC, datetime
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
        processors=_for_people() if as_text else [_line],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def _for_people() -> list[structlog.typing.Processor]:
    return [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=28),
    ]


def _line(logger: structlog.typing.WrappedLogger, method: str, event: structlog.typing.EventDict) -> str:
    """
    One line of JSON. There is one for each connection, so this is a single step: a chain of
    structlog's own processors that writes the same line costs four times as much.
    """
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, method, event)
    line = {
        "timestamp": datetime.now(UTC).isoformat()[:-6] + "Z",
        "level": _LEVEL_OF.get(method, method),
        "event": event.pop("event"),
    }
    line.update(event)
    return _encode(line)


_LEVEL_OF = {"exception": "error", "warn": "warning"}
_encode = json.JSONEncoder(default=str).encode
