"""Plain HTTP to a local cluster, for what our own client never sends."""

import io
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp

from cluster.local import LocalCluster

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any

    @property
    def sentence(self) -> str:
        """What a Status says."""
        text: str = self.body["message"]
        return text


class HttpApi:
    """Requests as the administrator, or with another token, or none ("")."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._access = cluster.access
        context = ssl.create_default_context(cadata=self._access.ca_data.decode())
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    def _headers(self, token: str | None, headers: dict[str, str]) -> dict[str, str]:
        shown = self._access.token if token is None else token
        return ({"Authorization": f"Bearer {shown}"} if shown else {}) | headers

    async def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str
    ) -> Answer:
        """One request; *headers* by name with underscores. Bodies that are not bytes go as JSON."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        url = f"{self._access.server}{path}"
        async with self._session.request(
            method, url, data=io.BytesIO(body) if body else None, headers=self._headers(token, sent)
        ) as response:
            text = await response.text()
        return Answer(response.status, json.loads(text) if text[:1] in ("{", "[") else text)

    @asynccontextmanager
    async def watch(self, path: str, **headers: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """The events of a watch, until the block ends."""
        url = f"{self._access.server}{path}"
        async with self._session.get(url, headers=self._headers(None, headers)) as response:
            assert response.status == 200, await response.text()
            yield _events(response)


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for line in response.content:
        yield json.loads(line)
