"""How long a certificate lives, as people write it: 24h, 365d, 10y."""

import re
from datetime import timedelta

_UNITS = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "y": timedelta(days=365),
}
_MOST = timedelta(days=100 * 365)
_FORM = re.compile(r"([0-9]{1,9})([mhdy])", re.ASCII)


def parse(text: str) -> timedelta:
    """Read a number with one of m, h, d, y behind it. Raises ValueError with a sentence."""
    found = _FORM.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no lifetime; write a number and m, h, d or y, e.g. 24h, 365d, 10y")
    number, unit = int(found[1]), _UNITS[found[2]]
    if not timedelta(0) < number * unit <= _MOST:
        raise ValueError(f"a lifetime of {text} is not between 1 minute and 100 years")
    return number * unit


def in_words(span: timedelta) -> str:
    """About how long *span* is: `23 hours`, `364 days`; parts of a unit are left out."""
    for name, unit in (("year", 365 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60)):
        if span.total_seconds() >= 2 * unit:
            return f"{span.total_seconds() // unit:.0f} {name}s"
    return "a minute" if span.total_seconds() >= 60 else "less than a minute"
