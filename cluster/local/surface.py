"""
The API over HTTP: one way in for all kinds.

    path -> Location -> what is asked (verb, query, body) -> Registry or Store -> answer, plain or as a table

Whoever holds a token of this cluster may do everything; without one only the health of the server and its
version can be asked.
"""

import json
import random
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog
import yaml
from aiohttp import web

from cluster.kinds import TOKEN_REVIEW
from cluster.local import discovery, patches, protobuf, selectors, tables
from cluster.local.locations import Location, locate
from cluster.local.paging import page
from cluster.local.refusals import (
    BadRequest,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    NotServed,
    Refused,
    TooLarge,
    Unauthorized,
    UnsupportedMediaType,
    about,
)
from cluster.local.registry import Registry
from cluster.local.store import Store
from cluster.local.tokens import Authority, NotAuthentic
from cluster.local.watches import INITIAL_EVENTS_END, Streams, Watch
from cluster.metadata import Key, Raw

log = structlog.get_logger()

MAX_BODY = 3 * 1024 * 1024
LONGEST_WATCH = 3600.0

HEALTH = ("/healthz", "/livez", "/readyz")
DOCUMENTS = discovery.documents()

_PATCHES = {
    "application/merge-patch+json": "merge",
    "application/json-patch+json": "json",
    "application/strategic-merge-patch+json": "strategic",
}


class Surface:
    """Answers requests; all state is in what it is given."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        authority: Authority,
        streams: Streams,
        *,
        now: Callable[[], datetime],
        new_uid: Callable[[], str],
    ) -> None:
        self._store = store
        self._registry = registry
        self._authority = authority
        self._streams = streams
        self._now = now
        self._new_uid = new_uid

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; what is refused as a Status object."""
        try:
            return await self._answer(request)
        except Refused as refused:
            return _refusal(refused)
        except web.HTTPRequestEntityTooLarge:
            return _refusal(TooLarge(f"the body is larger than {MAX_BODY} bytes"))
        except RecursionError:
            return _refusal(BadRequest("the body is nested too deeply"))
        except Exception:
            log.exception("local_cluster.request_failed", method=request.method, path=request.path)
            return _refusal(Refused("internal error: see the log of the local cluster"))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path
        if path.rstrip("/") in HEALTH or path.startswith(tuple(f"{health}/" for health in HEALTH)):
            return web.Response(text="ok")
        if path == "/version":
            return _json(discovery.VERSION)
        self._authenticate(request)  # Unauthorized
        if request.method in ("GET", "HEAD") and (document := DOCUMENTS.get(path.rstrip("/") or "/")):
            return _json(document)
        if path.startswith("/openapi/"):
            raise NotFound(f"{discovery.NO_SCHEMA} Served are the paths that /openapi/v3 lists.")
        location = locate(path)  # NotFound
        if location.kind == TOKEN_REVIEW:
            return await self._review(request)
        if location.subresource not in (None, "status" if location.resource.has_status else None):
            return await self._subresource(request, location)
        if location.name is None:
            return await self._collection(request, location)
        return await self._object(request, location)

    def _authenticate(self, request: web.Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized("Unauthorized: a bearer token is needed")
        try:
            self._authority.user(token.strip())
        except NotAuthentic as error:
            raise Unauthorized(f"Unauthorized: {error}") from error

    async def _review(self, request: web.Request) -> web.Response:
        if request.method != "POST":
            raise MethodNotAllowed("tokenreviews can only be created")
        return _json(self._authority.review(await _body(request)), 201)

    async def _subresource(self, request: web.Request, location: Location) -> web.Response:
        wanted, kind = location.subresource, location.kind
        if wanted == "token" and location.resource.issues_tokens:
            account = self._store.get(kind, location.key)
            if request.method != "POST":
                raise MethodNotAllowed("a token can only be created")
            body = await _body(request)
            return _json(self._authority.request(account, body, unique=self._new_uid()), 201)
        self._store.get(kind, location.key)
        why = "runs no pods" if kind.plural in ("pods", "deployments") else "keeps objects and nothing more"
        raise NotServed(f"jackstay's local cluster {why}: there is no {wanted!r} of {kind.plural}")

    async def _collection(self, request: web.Request, location: Location) -> web.StreamResponse:
        query, kind = request.query, location.kind
        match request.method:
            case "GET" if _flag(query, "watch"):
                return await self._streams.serve(request, self._watch(request, location))
            case "GET":
                return self._list(request, location)
            case "POST":
                if kind.namespaced and location.namespace is None:
                    raise MethodNotAllowed(f"{kind.plural} are created in a namespace")
                body = await _body(request)
                made = self._registry.create(
                    location.resource, location.namespace or "", body, dry_run=_dry_run(query)
                )
                return _json(_presented(location, made), 201)
            case "DELETE":
                return self._delete_collection(request, location)
        raise MethodNotAllowed(f"{request.method} is not possible on {kind.plural}")

    def _list(self, request: web.Request, location: Location) -> web.Response:
        query = request.query
        limit = _number(query, "limit", 0)
        found = page(
            self._store, location.kind, _wanted(query, location), limit=limit, more=query.get("continue", "")
        )
        metadata: Raw = {"resourceVersion": str(found.version)}
        if found.more:
            metadata |= {"continue": found.more, "remainingItemCount": found.remaining}
        items = [_presented(location, item) for item in found.items]
        if _as_table(request):
            columns = location.resource.columns
            return _json(tables.table(columns, items, self._now(), _include(query), metadata))
        head = {"kind": f"{location.kind.kind}List", "apiVersion": location.api_version}
        return _json({**head, "metadata": metadata, "items": items})

    def _watch(self, request: web.Request, location: Location) -> Watch:
        query, as_table = request.query, _as_table(request)
        columns, include = location.resource.columns, _include(query)
        version = query.get("resourceVersion", "")
        if not (version == "" or (version.isascii() and version.isdigit())):
            raise BadRequest(f"invalid resource version {version!r}")
        initial = _flag(query, "sendInitialEvents")
        bookmarks = _flag(query, "allowWatchBookmarks")
        if initial and not (bookmarks and query.get("resourceVersionMatch") == "NotOlderThan"):
            raise BadRequest(
                "sendInitialEvents needs resourceVersionMatch=NotOlderThan and allowWatchBookmarks=true"
            )
        since = None if initial or version in ("", "0") else int(version)
        if since is None and query.get("sendInitialEvents") == "false":
            since = self._store.version

        def present(item: Raw) -> Raw:
            shown = _presented(location, item)
            if not as_table:
                return shown
            metadata = {"resourceVersion": shown["metadata"]["resourceVersion"]}
            return tables.table(columns, [shown], self._now(), include, metadata)

        def bookmark(version: str, ends: bool) -> Raw:  # noqa: FBT001 - called by position through Watch
            metadata: Raw = {"resourceVersion": version}
            if ends:
                metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
            if as_table:
                return tables.table(columns, (), self._now(), include, metadata)
            return {"kind": location.kind.kind, "apiVersion": location.api_version, "metadata": metadata}

        seconds = _number(query, "timeoutSeconds", 0) or LONGEST_WATCH * random.uniform(0.5, 1)
        return Watch(
            location.kind,
            _wanted(query, location),
            present,
            bookmark,
            since,
            initial,
            bookmarks,
            min(float(seconds), LONGEST_WATCH),
        )

    def _delete_collection(self, request: web.Request, location: Location) -> web.Response:
        wanted = _wanted(request.query, location)
        found = page(self._store, location.kind, wanted)
        for item in found.items:
            key = Key(item["metadata"].get("namespace", ""), item["metadata"]["name"])
            if self._store.find(location.kind, key) is not None:
                self._registry.delete(location.resource, key, dry_run=_dry_run(request.query))
        return _json({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})

    async def _object(self, request: web.Request, location: Location) -> web.Response:
        query, key, resource = request.query, location.key, location.resource
        status, dry_run = location.subresource == "status", _dry_run(request.query)
        match request.method:
            case "GET":
                item = _presented(location, self._store.get(location.kind, key))
                if not _as_table(request):
                    return _json(item)
                metadata = {"resourceVersion": item["metadata"]["resourceVersion"]}
                return _json(tables.table(resource.columns, [item], self._now(), _include(query), metadata))
            case "PUT":
                body = await _body(request)
                kept = self._registry.replace(resource, key, body, status=status, dry_run=dry_run)
                return _json(_presented(location, kept))
            case "PATCH":
                patch = await _patch(request, location)
                kept = self._registry.update(resource, key, patch, status=status, dry_run=dry_run)
                return _json(_presented(location, kept))
            case "DELETE" if not status:
                return await self._delete(request, location)
        raise MethodNotAllowed(f"{request.method} is not possible on one of {location.kind.plural}")

    async def _delete(self, request: web.Request, location: Location) -> web.Response:
        options = await _body(request) if request.can_read_body else {}
        given = options.get("preconditions") or {}
        if not isinstance(given, dict):
            raise BadRequest("preconditions is not an object")
        policy = options.get("propagationPolicy") or request.query.get("propagationPolicy")
        item, gone = self._registry.delete(
            location.resource,
            location.key,
            uid=given.get("uid"),
            version=given.get("resourceVersion"),
            orphan=policy == "Orphan" or options.get("orphanDependents") is True,
            dry_run=_dry_run(request.query) or bool(options.get("dryRun")),
        )
        if not gone:
            return _json(_presented(location, item))
        details = about(location.kind, location.key.name) | {"uid": item["metadata"]["uid"]}
        head = {"kind": "Status", "apiVersion": "v1", "metadata": {}}
        return _json({**head, "status": "Success", "details": details})


def _presented(location: Location, item: Raw) -> Raw:
    """*item* in the version that was asked for."""
    return item if location.version == location.kind.version else {**item, "apiVersion": location.api_version}


def _wanted(query: Mapping[str, str], location: Location) -> Callable[[Key, Raw], bool]:
    """Which objects the query is about. Raises BadRequest."""
    namespace = location.namespace
    selector = selectors.parse(
        query.get("labelSelector", ""), query.get("fieldSelector", ""), location.resource.selectable
    )
    return lambda key, item: (namespace is None or key.namespace == namespace) and selector.accepts(item)


def _as_table(request: web.Request) -> bool:
    """Whether a table is wanted first. Raises NotAcceptable if nothing that we can write is."""
    accepted = request.headers.get("Accept", "*/*") or "*/*"
    for choice in accepted.split(","):
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
    match query.get("includeObject", "Metadata"):
        case "None":
            return "None"
        case "Object":
            return "Object"
        case "Metadata" | "":
            return "Metadata"
    raise BadRequest("includeObject is one of None, Metadata and Object")


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "") in ("1", "t", "T", "true", "True", "TRUE")


def _number(query: Mapping[str, str], name: str, absent: int) -> int:
    text = query.get(name, "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadRequest(f"{name}={text!r} is not a number")
    return int(text) if text else absent


def _dry_run(query: Mapping[str, str]) -> bool:
    given = query.get("dryRun", "")
    if given not in ("", "All"):
        raise BadRequest(f"dryRun={given!r}: the only choice is All")
    return given == "All"


async def _patch(request: web.Request, location: Location) -> Callable[[Raw], Raw]:
    """The change that the body describes. Raises UnsupportedMediaType, BadRequest."""
    if request.content_type.startswith("application/apply-patch"):
        raise UnsupportedMediaType(
            "server-side apply is not possible on jackstay's local cluster: leave out --server-side"
        )
    form = _PATCHES.get(request.content_type)
    if form is None or (form == "strategic" and location.resource.custom):
        usable = [
            name for name, form in _PATCHES.items() if form != "strategic" or not location.resource.custom
        ]
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - "
            f"accepted media types include: {', '.join(usable)}"
        )
    patch = _parsed(await request.read(), "application/json")
    keys = location.resource.all_merge_keys
    if form == "json":
        return lambda before: patches.json_patch(before, patch)
    if not isinstance(patch, dict):
        raise BadRequest("the patch is not an object")
    if form == "merge":
        return lambda before: patches.merge(before, patch)
    return lambda before: patches.strategic(before, patch, keys)


async def _body(request: web.Request) -> Raw:
    """The object that was sent. Raises BadRequest, UnsupportedMediaType."""
    given = request.content_type if "Content-Type" in request.headers else "application/json"
    body = _parsed(await request.read(), given)
    if not isinstance(body, dict):
        raise BadRequest("the body is not an object")
    return body


# Any: what a client sent; `Registry` and `patches` look at its form.
def _parsed(data: bytes, content_type: str) -> Any:
    if content_type == protobuf.MEDIA_TYPE:
        return protobuf.read(data)
    if content_type in ("application/yaml", "application/x-yaml"):
        try:
            return yaml.safe_load(data)
        except yaml.YAMLError as error:
            raise BadRequest(f"the body is not YAML: {error}") from error
    if content_type != "application/json":
        raise UnsupportedMediaType(
            f"{content_type} is not read here: send application/json or application/yaml"
        )
    try:
        return json.loads(data, parse_constant=_no_number)
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from error


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


def _refusal(refused: Refused) -> web.Response:
    return _json(refused.status, refused.code)


def _json(body: Raw, status: int = 200) -> web.Response:
    data = json.dumps(body, separators=(",", ":")).encode() + b"\n"
    return web.Response(body=data, status=status, content_type="application/json")
