"""Structured logs on stderr: JSON for machines, text for people."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Literal

import structlog

LogFormat = Literal["auto", "json", "text"]
LogLevel = Literal["debug", "info", "warning", "error"]
LEVELS = ("debug", "info", "warning", "error")


NOTHING: Mapping[str, object] = MappingProxyType({})


def configure(
    log_format: LogFormat = "auto", level: str = "info", *, always: Mapping[str, object] = NOTHING
) -> None:
    """
    Send every `structlog.get_logger()` to stderr; *auto* is text on a terminal, else JSON.

    JSON lines have `timestamp` (RFC 3339, UTC), `level` and `event` first, then the keys
    of the event; *always* is in each of them. Raises ValueError for a level that does not exist.
    """
    if level not in LEVELS:
        raise ValueError(f"log level {level!r} is none of {', '.join(LEVELS)}")
    as_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    structlog.configure(
        processors=_for_people(always) if as_text else [partial(_line, always)],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def _for_people(always: Mapping[str, object]) -> list[structlog.typing.Processor]:
    return [
        lambda logger, method, event: {**event, **always},
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=28),
    ]


def _line(
    always: Mapping[str, object],
    logger: structlog.typing.WrappedLogger,
    method: str,
    event: structlog.typing.EventDict,
) -> str:
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
    line.update(always)
    line.update(event)
    return _encode(line)


_LEVEL_OF = {"exception": "error", "warn": "warning"}
_encode = json.JSONEncoder(default=str).encode
