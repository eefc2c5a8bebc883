"""
Many chains to be judged, one JSON object a line, and the answers in the same order.

    {"id": "a1", "chain": PEM, "anchors": PEM, "as": "server", "at": "2026-01-31T12:00:00Z"}
    {"id": "a1", "ok": true, "reason": null, "identity": "web.test.serviceaccount.…"}

`as` may be absent or null for a client, `at` for now; other fields are ignored, an empty line is none. Each
line has an answer: what cannot be read is not ok, with the reason, and a null id if that cannot be read.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, BinaryIO

from certs.verdict import Verdict, moment, role_of, verdict

MOST = 4 << 20
"""Bytes of a line: two PEM files, each as long as they may be, and room to spare."""


def lines(source: BinaryIO) -> Iterator[bytes]:
    """The lines of *source*, each when it has come; of one that is too long no more than tells so."""
    while line := source.readline(MOST + 1):
        rest = line
        while len(rest) > MOST and not rest.endswith(b"\n"):
            rest = source.readline(MOST + 1)
            if not rest:
                break
        if line.strip():
            yield line


def answers(asked: Iterable[bytes], *, now: Callable[[], datetime]) -> Iterator[str]:
    """For each line that *asked* holds its answer, as JSON without the end of the line."""
    for line in asked:
        name, found = _answer(line, now)
        said = {"id": name, "ok": found.ok, "reason": found.reason, "identity": found.identity}
        # Not a byte over 127: also a lone surrogate in an id goes back as it came.
        yield json.dumps(said)


def _answer(line: bytes, now: Callable[[], datetime]) -> tuple[str | int | None, Verdict]:
    try:
        row = _row(line)
    except ValueError as error:
        return None, Verdict.refused(f"the line cannot be read: {error}")
    name = row.get("id")
    if isinstance(name, bool) or not isinstance(name, str | int):
        return None, Verdict.refused("the line cannot be read: its id must be a string or a whole number")
    try:
        chain, anchors, role = _pem(row, "chain"), _pem(row, "anchors"), role_of(row.get("as"))
        at = _at(row.get("at"), now)
    except ValueError as error:
        return name, Verdict.refused(f"the line cannot be used: {error}")
    return name, verdict(chain, anchors, role=role, at=at)


def _row(line: bytes) -> dict[str, Any]:
    if len(line) > MOST:
        raise ValueError(f"it is longer than {MOST} bytes")
    try:
        row = json.loads(line.decode(), object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(row, dict):
        raise ValueError("it is not an object")  # noqa: TRY004  # the sender's mistake, no programmer's
    return row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a field stands twice in it")
    return row


def _pem(row: dict[str, Any], field: str) -> bytes:
    value = row.get(field)
    if not isinstance(value, str):
        raise ValueError(f"{field} must be a string of PEM")  # noqa: TRY004  # as above
    return value.encode(errors="replace")


def _at(value: object, now: Callable[[], datetime]) -> datetime:
    if value is None:
        return now()
    if not isinstance(value, str):
        raise ValueError("at must be a string")  # noqa: TRY004  # as above
    return moment(value)
