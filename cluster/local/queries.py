"""What a request asks beside its path: which objects, in which form, from when on. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from cluster.local import selectors, tables
from cluster.local.locations import Location
from cluster.local.refusals import BadRequest, NotAcceptable
from cluster.metadata import Key, Raw


@dataclass(frozen=True, slots=True)
class Query:
    """The options of a request, each in its own type."""

    wanted: Callable[[Key, Raw], bool]
    as_table: bool
    include: tables.Include
    dry_run: bool
    limit: int
    more: str
    watch: bool
    version: int | None
    """None: whatever is there now."""

    initial_events: bool | None
    """Whether a watch first tells what is there; None: as the version says."""

    bookmarks: bool
    seconds: int
    """How long a watch may take; 0: as the server likes."""

    @classmethod
    def read(cls, query: Mapping[str, str], accept: str, location: Location) -> Self:
        """Raises BadRequest, or NotAcceptable if nothing that we can write is accepted."""
        initial = query.get("sendInitialEvents")
        bookmarks = _flag(query, "allowWatchBookmarks")
        if initial == "true" and not (bookmarks and query.get("resourceVersionMatch") == "NotOlderThan"):
            raise BadRequest(
                "sendInitialEvents needs resourceVersionMatch=NotOlderThan and allowWatchBookmarks=true"
            )
        return cls(
            wanted=_wanted(query, location),
            as_table=_as_table(accept),
            include=_include(query),
            dry_run=_dry_run(query),
            limit=_number(query, "limit"),
            more=query.get("continue", ""),
            watch=_flag(query, "watch"),
            version=_number(query, "resourceVersion") or None,
            initial_events=None if initial is None else initial == "true",
            bookmarks=bookmarks,
            seconds=_number(query, "timeoutSeconds"),
        )


def _wanted(query: Mapping[str, str], location: Location) -> Callable[[Key, Raw], bool]:
    namespace = location.namespace
    selector = selectors.parse(
        query.get("labelSelector", ""), query.get("fieldSelector", ""), location.resource.selectable
    )
    return lambda key, item: (namespace is None or key.namespace == namespace) and selector.accepts(item)


def _as_table(accept: str) -> bool:
    """Whether a table is wanted first."""
    for choice in (accept or "*/*").split(","):
        kind, *parameters = (part.strip() for part in choice.split(";"))
        if kind not in ("application/json", "application/*", "*/*"):
            continue
        given = dict(parameter.partition("=")[::2] for parameter in parameters)
        if given.get("as") == "Table" and given.get("g") == "meta.k8s.io" and given.get("v") == "v1":
            return True
        if "as" not in given:
            return False
    raise NotAcceptable("only application/json is served, also as a Table of meta.k8s.io/v1")


def _include(query: Mapping[str, str]) -> tables.Include:
    match query.get("includeObject", ""):
        case "None":
            return "None"
        case "Object":
            return "Object"
        case "Metadata" | "":
            return "Metadata"
    raise BadRequest("includeObject is one of None, Metadata and Object")


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "") in ("1", "t", "T", "true", "True", "TRUE")


def _number(query: Mapping[str, str], name: str) -> int:
    text = query.get(name, "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadRequest(f"{name}={text!r} is not a number")
    return int(text or "0")


def _dry_run(query: Mapping[str, str]) -> bool:
    given = query.get("dryRun", "")
    if given not in ("", "All"):
        raise BadRequest(f"dryRun={given!r}: the only choice is All")
    return given == "All"
