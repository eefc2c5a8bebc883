"""What stands in the fields of a Link, which an API server takes as any text."""

import re

from cluster.reading import Fields, Malformed

SHORTEST, LONGEST = 0.01, 3600.0
"""Seconds."""

_NUMBER = re.compile(r"[0-9]{1,9}")
_PATH = re.compile(r"/[!-~]*")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def port(fields: Fields, name: str, default: int) -> int:
    number = count(fields, name, default)
    if number > 65535:
        raise Malformed(f"{fields.where}.{name} is {number}, not a port from 1 to 65535")
    return number


def count(fields: Fields, name: str, default: int) -> int:
    """A whole number of 1 or more, written as a text (as Linkerd has it) or as a number."""
    value = fields.number_or_text(name)
    if value is None or value == "":
        return default
    text = str(value).strip()
    if not _NUMBER.fullmatch(text) or int(text) == 0:
        raise Malformed(f"{fields.where}.{name} is {text[:40]!r}, not a whole number from 1 on")
    return int(text)


def duration(fields: Fields, name: str, default: float) -> float:
    """Seconds, of a text such as `3s` or `1m30s`."""
    text = fields.text(name).strip()
    if not text:
        return default
    if not _DURATION.fullmatch(text):
        raise Malformed(f"{fields.where}.{name} is {text[:40]!r}, not a duration such as 3s or 1m30s")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if not SHORTEST <= seconds <= LONGEST:
        raise Malformed(
            f"{fields.where}.{name} is {text[:40]!r}, not between {SHORTEST} s and {LONGEST:.0f} s"
        )
    return seconds


def path(fields: Fields) -> str:
    text = fields.text("path").strip()
    if text and not _PATH.fullmatch(text):
        raise Malformed(f"{fields.where}.path is {text[:40]!r}, not a path such as /ready")
    return text


def listed(text: str) -> tuple[str, ...]:
    """What stands between the commas, trimmed, each once, in the order of its first mention."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
