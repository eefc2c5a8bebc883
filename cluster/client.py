"""
One cluster's API: objects in and out as they travel, errors as classes that say what was asked of whom.

Every request has a deadline and every answer a largest size; nothing is tried again here but once after
a 401 with a fresh token. Whoever asks decides what an error means.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Self

from cluster import answers
from cluster.access import Access
from cluster.answers import Asked, Listing, Reviewed, Token
from cluster.errors import BrokenAnswer, Gone, NotFound
from cluster.exchange import JSON, MERGE_PATCH, Exchange, Question
from cluster.kinds import NAMESPACE, POD, SERVICE_ACCOUNT, TOKEN_REVIEW, Kind
from cluster.metadata import Raw
from cluster.snapshot import key_of

__all__ = ["Cluster", "Listing", "Reviewed", "Token"]

PAGE = 500
"""Objects asked for at once."""

MOST_PAGES = 1000


class Cluster:
    """
    The API server of *access*. An async context manager; requests may run side by side.

    Every method raises ClusterError, or ValueError where a name cannot be one.
    """

    def __init__(self, access: Access, *, deadline: float = 10.0) -> None:
        self.access = access
        self._exchange = Exchange(access, deadline=deadline)

    async def __aenter__(self) -> Self:
        await self._exchange.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._exchange.__aexit__(*exc_info)

    def __repr__(self) -> str:
        return f"<Cluster {self.access} at {self.access.server}>"

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Raw:
        """The object as it is now."""
        return await self._ask("GET", self._asked("get", kind, namespace, name))

    async def list(
        self, kind: Kind, *, namespace: str | None = None, label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        """
        All objects of *kind*, complete and of one moment, or an error; never a part.

        When the moment of the first page is forgotten before the last one is read, everything is asked
        for anew, at once.
        """
        asked = self._asked("list", kind, namespace)
        selectors = {"labelSelector": label_selector, "fieldSelector": field_selector}
        try:
            return await self._list_in_pages(asked, selectors)
        except Gone:
            return answers.listing(asked, [await self._ask("GET", asked, query=selectors)])

    async def _list_in_pages(self, asked: Asked, selectors: Mapping[str, str]) -> Listing:
        pages: list[Raw] = []
        following = ""
        for _ in range(MOST_PAGES):
            query = {**selectors, "limit": str(PAGE), "continue": following}
            page = await self._ask("GET", asked, query=query)
            pages.append(page)
            following = answers.following(asked, page)
            if not following:
                return answers.listing(asked, pages)
        raise BrokenAnswer(asked.say(f"the list has not ended after {MOST_PAGES} pages"))

    async def create(self, kind: Kind, body: Raw) -> Raw:
        """The object as created. Raises AlreadyExists where the name is taken."""
        key = key_of(body)
        asked = self._asked("create", kind, key.namespace or None).about(key.name)
        return await self._ask("POST", asked, body=body)

    async def replace(self, kind: Kind, body: Raw) -> Raw:
        """The object as replaced. With a resourceVersion in *body* that is not the current one, Conflict."""
        key = key_of(body)
        return await self._ask(
            "PUT", self._asked("replace", kind, key.namespace or None, key.name), body=body
        )

    async def replace_status(self, kind: Kind, body: Raw) -> Raw:
        """As `replace`, for the status and nothing else."""
        key = key_of(body)
        asked = self._asked("replace status of", kind, key.namespace or None, key.name, "status")
        return await self._ask("PUT", asked, body=body)

    async def patch(self, kind: Kind, namespace: str | None, name: str, merge: Raw) -> Raw:
        """The object after a JSON merge patch: null removes, a list replaces."""
        asked = self._asked("patch", kind, namespace, name)
        return await self._ask("PATCH", asked, body=merge, content_type=MERGE_PATCH)

    async def patch_status(self, kind: Kind, namespace: str | None, name: str, merge: Raw) -> Raw:
        """As `patch`, for the status and nothing else."""
        asked = self._asked("patch status of", kind, namespace, name, "status")
        return await self._ask("PATCH", asked, body=merge, content_type=MERGE_PATCH)

    async def delete(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        """Delete the object; Conflict if it is not the one of that *uid* and *resource_version*."""
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {field: value for field, value in preconditions.items() if value},
        }
        await self._ask("DELETE", self._asked("delete", kind, namespace, name), body=body)

    async def create_token(
        self, namespace: str, service_account: str, *, audiences: Sequence[str] = (), seconds: int
    ) -> Token:
        """A token for *service_account*. The server may grant another lifetime than *seconds*."""
        asked = self._asked("create token for", SERVICE_ACCOUNT, namespace, service_account, "token")
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": list(audiences), "expirationSeconds": seconds},
        }
        return answers.token(asked, await self._ask("POST", asked, body=body))

    async def review_token(self, token: str, audiences: Sequence[str] = ()) -> Reviewed:
        """Whose *token* this is, and whether it is meant for one of *audiences*."""
        asked = self._asked("review", TOKEN_REVIEW, None)
        body = {
            "apiVersion": TOKEN_REVIEW.api_version,
            "kind": TOKEN_REVIEW.kind,
            "spec": {"token": token, "audiences": list(audiences)},
        }
        return answers.reviewed(asked, await self._ask("POST", asked, body=body))

    async def version(self) -> str:
        """The server's version: v1.34.4."""
        asked = Asked(str(self.access), "get", "version", "", "/version")
        return answers.version(asked, await self._ask("GET", asked))

    async def uid(self) -> str:
        """What tells this cluster from every other: the uid of its kube-system; "" if it has none."""
        try:
            namespace = await self.get(NAMESPACE, None, "kube-system")
        except NotFound:
            return ""
        return answers.uid(self._asked("get", NAMESPACE, None, "kube-system"), namespace)

    async def ask_pod(self, namespace: str, pod: str, port: int, path: str) -> bytes:
        """
        What *pod* answers to GET *path* at *port*, by way of the API server.

        The right is `get` on pods/proxy.
        """
        proxy = POD.path(namespace, f"{pod}:{port}", "proxy")
        asked = Asked(str(self.access), "get", "pods/proxy", f"{namespace}/{pod}", f"{proxy}{path}")
        return await self._exchange.body(Question("GET", asked))

    @asynccontextmanager
    async def watch(
        self,
        kind: Kind,
        *,
        resource_version: str,
        seconds: float,
        silence: float,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """
        The bytes of a watch from *resource_version* on, which the server is asked to end after *seconds*.

        Entered once the server has agreed. Reading raises Unreachable when the connection breaks or
        nothing comes for *silence* seconds.
        """
        asked = self._asked("watch", kind, namespace)
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(max(1, round(seconds))),
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
        }
        question = Question("GET", asked, query)
        async with self._exchange.stream(question, silence=silence) as chunks:
            yield chunks

    async def _ask(
        self,
        method: str,
        asked: Asked,
        *,
        query: Mapping[str, str] | None = None,
        body: Raw | None = None,
        content_type: str = JSON,
    ) -> Raw:
        return await self._exchange.answer(Question(method, asked, query, body, content_type))

    def _asked(
        self,
        verb: str,
        kind: Kind,
        namespace: str | None,
        name: str | None = None,
        subresource: str | None = None,
    ) -> Asked:
        path = kind.path(namespace, name, subresource)
        where = f"{namespace or ''}/{name or ''}".strip("/")
        return Asked(str(self.access), verb, kind.plural, where, path)
