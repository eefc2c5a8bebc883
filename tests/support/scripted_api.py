"""
An API server that does as it is told: over TLS, it answers requests from a script, one line each.

    async with ScriptedApi() as api:
        api.lists(version="5", items=[...])
        api.watches(added(...), Cut())
        async with Cluster(api.access) as cluster: ...

What is asked beyond the script waits, unanswered, so that a test sees exactly what it wrote.
"""

import asyncio
import json
import ssl
import tempfile
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from cluster.access import Access
from tests.support.pki import Issued, Pki

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: Any = None


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection is reset here."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing more comes, and no end either."""


class ScriptedApi:
    """Listings, watches and everything else each have a queue of answers."""

    def __init__(self, token: str = "secret-token") -> None:
        self.asked: list[Asked] = []
        self.cluster_uid = "uid-of-this-cluster"
        self._token = token
        self._lists: deque[Answer] = deque()
        self._watches: deque[Answer] = deque()
        self._others: deque[Answer] = deque()
        self._stop = asyncio.Event()
        self._news = asyncio.Condition()
        self.pki = _pki()
        self._issued = self.pki.leaf("api.test")

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=_server_context(self._issued))
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.access = Access(
            server=f"https://{host}:{port}",
            ca_data=self._issued.anchors_pem,
            token=self._token,
            name="east",
            tls_server_name=self._issued.identity,
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._stop.set()
        await self._runner.cleanup()

    def lists(self, *items: Json, version: str, following: str = "") -> None:
        """The next listing (or page) has *items*."""
        metadata = {"resourceVersion": version} | ({"continue": following} if following else {})
        self._lists.append(_json(200, {"kind": "List", "metadata": metadata, "items": list(items)}))

    def list_fails(self, status: int, **said: Any) -> None:
        self._lists.append(_failure(status, **said))

    def list_says(self, body: bytes, status: int = 200) -> None:
        self._lists.append(_plain(status, body))

    def watches(self, *told: Json | bytes | Cut | Hold) -> None:
        """The next watch tells this, and then ends as it should."""
        self._watches.append(self._telling(told))

    def watch_fails(self, status: int, **said: Any) -> None:
        self._watches.append(_failure(status, **said))

    def answers(self, status: int, body: Json) -> None:
        """The next request that is no listing and no watch gets this."""
        self._others.append(_json(status, body))

    def fails(self, status: int, **said: Any) -> None:
        self._others.append(_failure(status, **said))

    def does(self, answer: Answer) -> None:
        self._others.append(answer)

    async def until(self, count: int, *, watch: bool = False) -> list[Asked]:
        """The listings (or watches) asked for, once there are *count*."""
        async with self._news:
            await self._news.wait_for(lambda: len(self._of(watch=watch)) >= count)
            return self._of(watch=watch)

    def _of(self, *, watch: bool) -> list[Asked]:
        return [
            asked
            for asked in self.asked
            if asked.method == "GET"
            and ("watch" in asked.query) is watch
            and not asked.path.endswith("/kube-system")
        ]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        body = json.loads(text) if text else None
        async with self._news:
            self.asked.append(
                Asked(request.method, request.path, dict(request.query), dict(request.headers), body)
            )
            self._news.notify_all()
        if request.path.endswith("/namespaces/kube-system") and not self._others:
            metadata = {"name": "kube-system", "uid": self.cluster_uid}
            return web.json_response({"metadata": metadata})
        queue = self._others
        if request.method == "GET" and not self._others:
            queue = self._watches if "watch" in request.query else self._lists
        if not queue:
            await self._stop.wait()
            return web.Response(status=503)
        return await queue.popleft()(request)

    def _telling(self, told: Iterable[Json | bytes | Cut | Hold]) -> Answer:
        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            for line in told:
                match line:
                    case bytes():
                        await response.write(line)
                    case Cut():
                        assert request.transport is not None
                        request.transport.abort()
                        return response
                    case Hold():
                        await self._stop.wait()
                    case _:
                        await response.write(json.dumps(line).encode() + b"\n")
            return response

        return answer


def service(name: str, version: str, namespace: str = "test", **more: Any) -> Json:
    metadata = {"name": name, "namespace": namespace, "resourceVersion": version}
    return {"metadata": metadata, "spec": {"ports": [{"port": 80}]}, **more}


def added(raw: Json) -> Json:
    return {"type": "ADDED", "object": raw}


def modified(raw: Json) -> Json:
    return {"type": "MODIFIED", "object": raw}


def deleted(raw: Json) -> Json:
    return {"type": "DELETED", "object": raw}


def bookmark(version: str) -> Json:
    return {"type": "BOOKMARK", "object": {"kind": "Service", "metadata": {"resourceVersion": version}}}


def failed(code: int, reason: str) -> Json:
    status = {"kind": "Status", "code": code, "reason": reason, "message": "as the script has it"}
    return {"type": "ERROR", "object": status}


def _json(status: int, body: Json) -> Answer:
    return _plain(status, json.dumps(body).encode())


def _plain(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, content_type="application/json", headers=headers)

    return answer


def _failure(status: int, *, reason: str = "", message: str = "", retry_after: str = "") -> Answer:
    body = {"kind": "Status", "code": status, "reason": reason, "message": message}
    headers = {"Retry-After": retry_after} if retry_after else None
    return _plain(status, json.dumps(body).encode(), headers)


@cache
def _pki() -> Pki:
    return Pki.make()


def _server_context(issued: Issued) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as directory:
        paths = issued.write(Path(directory))
        context.load_cert_chain(paths.certificate, paths.key)
    context.load_verify_locations(cadata=issued.anchors_pem.decode())
    context.verify_mode = ssl.CERT_OPTIONAL
    return context
