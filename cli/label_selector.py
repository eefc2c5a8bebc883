"""Label selectors as people write them (`a=b,c in (x,y),!d`), made into what a Link holds."""

import re
from typing import Any


class BadSelector(Exception):
    """The text is no label selector."""

    reason = "bad_selector"


def label_selector(text: str) -> dict[str, Any]:
    """
    *text* as a LabelSelector (`matchLabels`, `matchExpressions`); {} for an empty text.

    Raises BadSelector with a sentence.
    """
    labels: dict[str, str] = {}
    expressions: list[dict[str, Any]] = []
    for part in _parts(text):
        match = _TERM.fullmatch(part)
        if match is None:
            raise BadSelector(
                f"{part!r} is no part of a label selector; write for example "
                "mirror.linkerd.io/exported=true or 'tier in (web,api)'"
            )
        key, operator, value = match["key"], (match["operator"] or "").strip(), match["value"]
        if match["absent"]:
            expressions.append({"key": key, "operator": "DoesNotExist"})
        elif match["set"]:
            values = [item.strip() for item in match["values"].split(",")]
            expressions.append({"key": key, "operator": _SETS[match["set"]], "values": values})
        elif not operator:
            expressions.append({"key": key, "operator": "Exists"})
        elif operator == "!=":
            expressions.append({"key": key, "operator": "NotIn", "values": [value]})
        elif labels.setdefault(key, value) != value:
            raise BadSelector(f"{key} cannot be {labels[key]!r} and {value!r} at once")
    found = {"matchLabels": labels, "matchExpressions": expressions}
    return {name: part for name, part in found.items() if part}


def _parts(text: str) -> list[str]:
    """What stands between the commas that are not within parentheses."""
    return [part.strip() for part in re.split(r",(?![^(]*\))", text) if part.strip()]


_KEY = r"(?P<key>(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9](?:[-\w.]*[A-Za-z0-9])?)"
_VALUE = r"(?:[A-Za-z0-9](?:[-\w.]*[A-Za-z0-9])?)?"
_TERM = re.compile(
    rf"(?P<absent>!\s*)?{_KEY}(?:(?P<operator>\s*(?:==|=|!=)\s*)(?P<value>{_VALUE})"
    rf"|\s+(?P<set>in|notin)\s*\(\s*(?P<values>{_VALUE}(?:\s*,\s*{_VALUE})*)\s*\))?",
    re.ASCII,
)
_SETS = {"in": "In", "notin": "NotIn"}
