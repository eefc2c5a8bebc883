"""One question to an API server and its answer, or a ClusterError that says what was asked of whom."""

import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp

from cluster import answers
from cluster.access import Access
from cluster.answers import Asked
from cluster.errors import BrokenAnswer, ClusterError, NotConnected, Unauthorized, Unreachable
from cluster.exec_plugin import ExecToken
from cluster.metadata import Raw
from cluster.tokens import FileToken, FixedToken, TokenSource
from cluster.transport import Redirected, Transport
from process.version import VERSION

LARGEST_ANSWER = 64 << 20

CONNECTING = 5.0
"""Seconds for a connection, TLS included. That one is away is told from an answer that takes its time."""

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Question:
    """A request, but for who asks."""

    method: str
    asked: Asked
    query: Mapping[str, str] | None = None
    """What is empty is not said."""

    body: Raw | None = None
    content_type: str = JSON


class Exchange:
    """
    Asks the server of *access*, with the token that holds now; an async context manager.

    Each answer has *deadline* seconds and a largest size. Nothing is tried again but once after a 401,
    with a fresh token.
    """

    def __init__(self, access: Access, *, deadline: float) -> None:
        self._access = access
        self._deadline = deadline
        self._connecting = min(CONNECTING, deadline)
        self._tokens = _token_source(access)
        self._transport: Transport | None = None

    async def __aenter__(self) -> "Exchange":
        try:
            self._transport = Transport(self._access)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            sentence = "its CA or client certificate cannot be used"
            raise Unreachable(f"{self._access}: {sentence}: {error}") from error
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._transport is not None:
            await self._transport.close()
            self._transport = None

    async def answer(self, question: Question) -> Raw:
        """What the server answers with a 2xx; whatever else happens is a ClusterError."""
        return answers.parsed(question.asked, await self.body(question))

    async def body(self, question: Question) -> bytes:
        """The same for an answer that is no object, as it came."""
        timeout = aiohttp.ClientTimeout(total=self._deadline, sock_connect=self._connecting)
        async with self._answered(question, timeout) as response:
            return await _read(question.asked, response)

    @asynccontextmanager
    async def stream(self, question: Question, *, silence: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """
        The bytes of an answer that takes its time.

        Entered once the server has agreed. Reading raises Unreachable when the connection breaks or
        nothing comes for *silence* seconds.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._connecting, sock_read=silence)
        async with self._answered(question, timeout) as response:
            try:
                yield _chunks(question.asked, response)
            finally:
                _drop(response)

    @asynccontextmanager
    async def _answered(
        self, question: Question, timeout: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer of 2xx, its body unread."""
        token = await self._token(question.asked)
        async with await self._send(question, token, timeout) as response:
            if response.status != 401:
                await _accepted(question.asked, response)
                yield response
                return
            refusal = await _error(question.asked, response)
        self._tokens.refused()
        fresh = await self._token(question.asked)
        if fresh == token:
            raise refusal
        async with await self._send(question, fresh, timeout) as response:
            await _accepted(question.asked, response)
            yield response

    async def _send(
        self, question: Question, token: str | None, timeout: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        if self._transport is None:
            raise RuntimeError(f"{self._access} is asked outside its context")
        asked = question.asked
        said = {name: value for name, value in (question.query or {}).items() if value}
        url = f"{self._access.server}{asked.path}" + (f"?{urlencode(said)}" if said else "")
        headers = {
            "Accept": JSON,
            "Content-Type": question.content_type,
            "User-Agent": f"jackstay/{VERSION}",
        }
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            return await self._transport.answer(
                question.method, url, body=question.body, headers=headers, timeout=timeout
            )
        except aiohttp.ConnectionTimeoutError as error:
            raise self._not_connected(f"no connection within {self._connecting:g} s") from error
        except TimeoutError as error:
            raise Unreachable(asked.say("no answer in time")) from error
        except aiohttp.ClientConnectorError as error:
            raise self._not_connected(_why(error)) from error
        except aiohttp.ClientError as error:
            raise Unreachable(asked.say(f"cannot be reached: {error}")) from error
        except Redirected as error:
            raise BrokenAnswer(asked.say(str(error))) from error

    def _not_connected(self, why: str) -> NotConnected:
        access = self._access
        who = f"{access.name}: its API server" if access.name else "the API server"
        return NotConnected(f"{who} {access.server} cannot be reached: {why}")

    async def _token(self, asked: Asked) -> str | None:
        try:
            return await self._tokens.token()
        except (OSError, ValueError) as error:
            raise Unauthorized(asked.say(f"there is no token: {error}")) from error


def _token_source(access: Access) -> TokenSource:
    if access.exec_plugin is not None:
        return ExecToken(access.exec_plugin)
    if access.token_file is not None:
        return FileToken(access.token_file)
    return FixedToken(access.token)


async def _chunks(asked: Asked, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except TimeoutError as error:
        raise Unreachable(asked.say("nothing was heard for too long")) from error
    except aiohttp.ClientError as error:
        raise Unreachable(asked.say(f"the answer broke off: {_why(error)}")) from error


def _why(error: BaseException) -> str:
    """What the network did, where that is known: the library speaks of its parser, or repeats the address."""
    cause: BaseException | None = error
    while cause is not None and (isinstance(cause, aiohttp.ClientError) or not isinstance(cause, OSError)):
        cause = cause.__cause__ or cause.__context__
    match cause:
        case ssl.SSLCertVerificationError():
            return f"certificate verify failed: {cause.verify_message}"
        case OSError(errno=int(number)) if number > 0 and not isinstance(cause, ssl.SSLError):
            return os.strerror(number)  # asyncio's own text repeats the address
        case OSError(strerror=str(text)):
            return text  # of a resolver, or of TLS
    return str(error) or type(error).__name__


def _drop(response: aiohttp.ClientResponse) -> None:
    """Leave an answer in its middle, without waiting for the server's goodbye over TLS."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()


async def _accepted(asked: Asked, response: aiohttp.ClientResponse) -> None:
    if not 200 <= response.status < 300:
        raise await _error(asked, response)


async def _error(asked: Asked, response: aiohttp.ClientResponse) -> ClusterError:
    text = await _read(asked, response)
    return answers.error(asked, response.status, text, response.headers.get("Retry-After", ""))


async def _read(asked: Asked, response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in _chunks(asked, response):
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise BrokenAnswer(asked.say(f"the answer is larger than {LARGEST_ANSWER} bytes"))
    return bytes(body)
