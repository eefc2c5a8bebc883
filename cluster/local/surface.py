"""
The API over HTTP: one way in for all kinds.

    path -> Location, options -> Query, body -> object or patch -> Registry or Store -> answer, maybe a table

Whoever holds a token of this cluster may do everything; without one only the health of the server and its
version can be asked.
"""

import json
import random
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from aiohttp import web

from cluster.kinds import DEPLOYMENT, POD, TOKEN_REVIEW
from cluster.local import bodies, discovery, pod_proxy, tables
from cluster.local.locations import Location, locate
from cluster.local.paging import page
from cluster.local.queries import Query
from cluster.local.refusals import (
    BadRequest,
    MethodNotAllowed,
    NotFound,
    NotServed,
    Refused,
    TooLarge,
    Unauthorized,
    about,
)
from cluster.local.registry import Registry
from cluster.local.store import Store
from cluster.local.tokens import Authority, NotAuthentic
from cluster.local.watches import Streams, Watch
from cluster.metadata import Key, Raw

log = structlog.get_logger()

MAX_BODY = 3 * 1024 * 1024
LONGEST_WATCH = 3600.0

HEALTH = ("/healthz", "/livez", "/readyz")
DOCUMENTS = discovery.documents()


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
        query = Query.read(request.query, request.headers.get("Accept", ""), location)  # BadRequest
        if location.name is None:
            return await self._collection(request, location, query)
        return await self._object(request, location, query)

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
        return _json(self._authority.review(await _sent(request)), 201)

    async def _subresource(self, request: web.Request, location: Location) -> web.Response:
        wanted, kind = location.subresource, location.kind
        if wanted == "token" and location.resource.issues_tokens:
            if request.method != "POST":
                raise MethodNotAllowed("a token can only be created")
            body = await _sent(request)
            account = self._store.get(kind, location.key)
            return _json(self._authority.request(account, body, unique=self._new_uid()), 201)
        if wanted == "proxy" and kind == POD:
            key, port = pod_proxy.addressed(location.key)
            return await pod_proxy.passed_on(request, pod_proxy.where(self._store.get(POD, key), port))
        self._store.get(kind, location.key)
        why = "runs no pods" if kind in (POD, DEPLOYMENT) else "keeps objects and nothing more"
        raise NotServed(f"jackstay's local cluster {why}: there is no {wanted!r} of {kind.plural}")

    async def _collection(self, request: web.Request, location: Location, query: Query) -> web.StreamResponse:
        kind = location.kind
        match request.method:
            case "GET" if query.watch:
                return await self._streams.serve(request, self._watch(location, query))
            case "GET":
                return self._list(location, query)
            case "POST":
                if kind.namespaced and location.namespace is None:
                    raise MethodNotAllowed(f"{kind.plural} are created in a namespace")
                body, namespace = await _sent(request), location.namespace or ""
                made = self._registry.create(location.resource, namespace, body, dry_run=query.dry_run)
                return _json(_presented(location, made), 201)
            case "DELETE":
                return self._delete_collection(location, query)
        raise MethodNotAllowed(f"{request.method} is not possible on {kind.plural}")

    def _list(self, location: Location, query: Query) -> web.Response:
        found = page(self._store, location.kind, query.wanted, limit=query.limit, more=query.more)
        metadata: Raw = {"resourceVersion": str(found.version)}
        if found.more:
            metadata |= {"continue": found.more, "remainingItemCount": found.remaining}
        items = [_presented(location, item) for item in found.items]
        if query.as_table:
            return _json(self._table(location, query, items, metadata))
        head = {"kind": f"{location.kind.kind}List", "apiVersion": location.api_version}
        return _json({**head, "metadata": metadata, "items": items})

    def _watch(self, location: Location, query: Query) -> Watch:
        since = None if query.initial_events else query.version
        if since is None and query.initial_events is False:
            since = self._store.version

        def present(item: Raw) -> Raw:
            shown = _presented(location, item)
            return self._table(location, query, [shown], _version_of(item)) if query.as_table else shown

        def bookmark(metadata: Raw) -> Raw:
            if query.as_table:
                return self._table(location, query, [], metadata)
            return {"kind": location.kind.kind, "apiVersion": location.api_version, "metadata": metadata}

        return Watch(
            kind=location.kind,
            wanted=query.wanted,
            present=present,
            bookmark=bookmark,
            since=since,
            initial_events_end=query.initial_events is True,
            bookmarks=query.bookmarks,
            seconds=min(query.seconds or LONGEST_WATCH * random.uniform(0.5, 1), LONGEST_WATCH),
        )

    def _delete_collection(self, location: Location, query: Query) -> web.Response:
        for item in page(self._store, location.kind, query.wanted).items:
            key = Key(item["metadata"].get("namespace", ""), item["metadata"]["name"])
            if self._store.find(location.kind, key) is not None:
                self._registry.delete(location.resource, key, dry_run=query.dry_run)
        return _json({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})

    async def _object(self, request: web.Request, location: Location, query: Query) -> web.StreamResponse:
        key, resource = location.key, location.resource
        status, dry_run = location.subresource == "status", query.dry_run
        match request.method:
            case "GET":
                item = _presented(location, self._store.get(location.kind, key))
                return _json(
                    self._table(location, query, [item], _version_of(item)) if query.as_table else item
                )
            case "PUT":
                body = await _sent(request)
                kept = self._registry.replace(resource, key, body, status=status, dry_run=dry_run)
                return _json(_presented(location, kept))
            case "PATCH":
                patch = bodies.read_patch(await request.read(), request.content_type, resource)
                kept = self._registry.update(resource, key, patch, status=status, dry_run=dry_run)
                return _json(_presented(location, kept))
            case "DELETE" if not status:
                return await self._delete(request, location, query)
        raise MethodNotAllowed(f"{request.method} is not possible on one of {location.kind.plural}")

    async def _delete(self, request: web.Request, location: Location, query: Query) -> web.Response:
        options = await _sent(request) if request.can_read_body else {}
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
            dry_run=query.dry_run or bool(options.get("dryRun")),
        )
        if not gone:
            return _json(_presented(location, item))
        details = about(location.kind, location.key.name) | {"uid": item["metadata"]["uid"]}
        head = {"kind": "Status", "apiVersion": "v1", "metadata": {}}
        return _json({**head, "status": "Success", "details": details})

    def _table(self, location: Location, query: Query, items: Sequence[Raw], metadata: Raw) -> Raw:
        return tables.table(location.resource.columns, items, self._now(), query.include, metadata)


def _presented(location: Location, item: Raw) -> Raw:
    """*item* in the version that was asked for."""
    return item if location.version == location.kind.version else {**item, "apiVersion": location.api_version}


def _version_of(item: Raw) -> Raw:
    return {"resourceVersion": item["metadata"]["resourceVersion"]}


async def _sent(request: web.Request) -> Raw:
    """The object in the body. Raises BadRequest, UnsupportedMediaType."""
    given = request.content_type if "Content-Type" in request.headers else "application/json"
    return bodies.read_object(await request.read(), given)


def _refusal(refused: Refused) -> web.Response:
    return _json(refused.status, refused.code)


def _json(body: Raw, status: int = 200) -> web.Response:
    data = json.dumps(body, separators=(",", ":")).encode() + b"\n"
    return web.Response(body=data, status=status, content_type="application/json")
