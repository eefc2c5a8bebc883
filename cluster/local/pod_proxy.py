"""
GET through the API server to a pod: `/api/v1/namespaces/NS/pods/NAME:PORT/proxy/PATH`.

The address is the pod's own, `status.podIP`, and what answers there is a process on this machine: this
server runs none. The answer is passed on as it is, with its status.
"""

import aiohttp
from aiohttp import web

from cluster.kinds import POD
from cluster.local.refusals import BadRequest, MethodNotAllowed, Refused
from cluster.metadata import Key, Raw
from process.address import Address, is_ip

_PATIENCE = aiohttp.ClientTimeout(total=30, sock_connect=5)
_BEFORE_PATH = "/api/v1/namespaces/NS/pods/NAME/proxy/".count("/")


class Unavailable(Refused):
    """Nobody answers at the pod's address."""

    code, reason = 503, "ServiceUnavailable"


def addressed(key: Key) -> tuple[Key, int | None]:
    """The pod that `NAME`, `NAME:PORT` or `http:NAME:PORT` means, and the port. Raises BadRequest."""
    match key.name.split(":"):
        case [name]:
            return Key(key.namespace, name), None
        case [name, port] | ["" | "http", name, port] if port.isascii() and port.isdecimal():
            return Key(key.namespace, name), int(port)
    raise BadRequest(f"invalid pod request {key.name!r}: write NAME:PORT; of a pod only http is asked")


def where(pod: Raw, port: int | None) -> Address:
    """Where *pod* is asked: at *port*, else at the first that a container has. Raises BadRequest."""
    ip = (pod.get("status") or {}).get("podIP") or ""
    if not is_ip(ip):
        raise BadRequest(f'address not allowed: pod "{pod["metadata"]["name"]}" has no IP')
    for container in (pod.get("spec") or {}).get("containers") or ():
        for listed in container.get("ports") or ():
            port = port or listed.get("containerPort")
    return Address(ip, port or 80)


async def passed_on(request: web.Request, address: Address) -> web.Response:
    """What the process at *address* answers to *request*. Raises MethodNotAllowed, Unavailable."""
    if request.method != "GET":
        raise MethodNotAllowed(f"{POD.plural} of this server can be asked by GET only")
    path = "/" + "/".join(request.rel_url.raw_path_qs.split("/")[_BEFORE_PATH:])
    try:
        async with (
            aiohttp.ClientSession(timeout=_PATIENCE, trust_env=False) as session,
            session.get(f"http://{address}{path}", allow_redirects=False) as answer,
        ):
            body = await answer.read()
            kind = answer.headers.get("Content-Type", "text/plain")
            return web.Response(status=answer.status, body=body, headers={"Content-Type": kind})
    except (TimeoutError, aiohttp.ClientError) as error:
        raise Unavailable(f"error trying to reach service: {str(error) or 'timeout'}") from error
