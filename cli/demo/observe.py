"""
How the demo knows: by what other processes answer, never by what it did itself.

An observation returns what it saw, or raises NotYet with what it saw instead; `until`
looks again, until the deadline or until the process it depends on has ended.
"""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from cli.demo.processes import Child, Failed
from cluster.client import Cluster
from cluster.errors import ClusterError, NotFound
from cluster.kinds import Kind
from process.address import Address

T = TypeVar("T")

DEADLINE = 20.0
"""Seconds until a step gives up: long, since only a broken or a very busy machine gets there."""

EVERY = 0.05

PING = bytes([8]) + (8).to_bytes(3, "big") + b"the demo"
PONG = bytes([9]) + PING[1:]
"""Frames of `jackstay/1`, as any implementation of it says them (DESIGN 3.2, ARCHITECTURE.md)."""


class NotYet(Exception):
    """What was seen is not (yet) what is waited for."""

    reason = "not_yet"


async def until(look: Callable[[], Awaitable[T]], wanted: str, *blamed: Child, within: float = DEADLINE) -> T:
    """
    What *look* returns once it no longer raises NotYet.

    Raises Failed, with the log of the *blamed* processes, when one of them has ended or the
    time is over.
    """
    seen = "nothing"
    try:
        async with asyncio.timeout(within):
            while True:
                try:
                    return await look()
                except NotYet as error:
                    seen = str(error)
                for child in blamed:
                    if child.ended is not None:
                        raise _failed(f"{child.name} ended with {child.ended}", child)
                await asyncio.sleep(EVERY)
    except TimeoutError as error:
        raise _failed(f"{wanted}: not within {within:.0f} s; last seen: {seen}", *blamed) from error


def _failed(sentence: str, *blamed: Child) -> Failed:
    return Failed("\n".join([sentence, *filter(None, (child.tail() for child in blamed))]))


async def answer(url: str) -> dict[str, Any]:
    """The JSON object at *url*."""
    try:
        found = json.loads(await _body(url))
    except ValueError as error:
        raise NotYet(f"{url} answers no JSON") from error
    if not isinstance(found, dict):
        raise NotYet(f"{url} answers {found!r}")
    return found


async def ready(address: Address) -> None:
    """The process with its admin server on *address* says that it is ready."""
    await _body(f"http://{address}/ready")


async def _body(url: str) -> str:
    timeout = aiohttp.ClientTimeout(total=5)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            text = await response.text()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise NotYet(f"{url}: {str(error) or type(error).__name__}") from error
    if response.status != 200:
        raise NotYet(f"{url} answers {response.status}: {text.strip()[:200]}")
    return text


async def closed(address: Address) -> None:
    """Nobody listens on *address* (any more)."""
    try:
        _, writer = await asyncio.open_connection(address.host, address.port)
    except ConnectionRefusedError:
        return
    except OSError as error:
        raise NotYet(str(error)) from error
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    raise NotYet(f"{address} still takes connections")


async def there(cluster: Cluster, kind: Kind, namespace: str | None, name: str) -> dict[str, Any]:
    """The object, once it is there."""
    try:
        return await cluster.get(kind, namespace, name)
    except ClusterError as error:
        raise NotYet(str(error)) from error


async def gone(cluster: Cluster, kind: Kind, namespace: str | None, name: str) -> None:
    """The object is not there (any more)."""
    try:
        await cluster.get(kind, namespace, name)
    except NotFound:
        return
    except ClusterError as error:
        raise NotYet(str(error)) from error
    raise NotYet(f"{kind.kind} {namespace}/{name} is still there")


async def knock(gateway: Address, anchors: Path, shown: tuple[Path, Path] | None) -> str:
    """
    What the gateway says to a client that shows these files (certificate, key), or none.

    "" if it talks with us: it has answered a PING. Else how it refused. Raises NotYet where
    it did neither. Our client trusts *anchors*, as an honest one would.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # by whom we are refused matters, not what it is called
    context.load_verify_locations(anchors)
    context.set_alpn_protocols(["jackstay/1"])
    if shown is not None:
        context.load_cert_chain(*shown)
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(gateway.host, gateway.port, ssl=context)
            try:
                writer.write(PING)
                # In TLS 1.3 the client is done before the server has judged it: the verdict is
                # whatever comes first.
                said = await reader.readexactly(len(PONG))
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except ssl.SSLError as error:
        return f"TLS alert {error.reason or error}"
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise NotYet(f"the gateway said {error.partial!r}") from error
        return "closed without a word"
    except ConnectionResetError:
        return "connection reset"
    except (TimeoutError, OSError) as error:
        raise NotYet(f"the gateway at {gateway} does not answer: {str(error) or 'timeout'}") from error
    if said != PONG:
        raise NotYet(f"the gateway said {said!r}")
    return ""
