"""The probe for a gateway that does not speak our protocol: Linkerd's, which answers HTTP beside its door."""

import asyncio

import aiohttp

from mirror.link import ProbeSpec
from mirror.probing import ProbeFailed
from process.address import Address


async def over_http(spec: ProbeSpec, address: Address, identity: str, *, timeout: float) -> float:
    """
    Seconds until the gateway at *address* answered 200 at the port and path of *spec*.

    It says that something lives there; that it is *identity* is proven when a tunnel is opened.
    Raises ProbeFailed.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    url = f"http://{Address(address.host, spec.port)}{spec.path}"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout)) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise ProbeFailed(f"{url} answered {response.status}", why="http_status")
            return clock() - began
    except TimeoutError as error:
        raise ProbeFailed(f"{url}: no answer within {timeout:g} s", why="timeout") from error
    except (aiohttp.ClientError, ValueError) as error:
        raise ProbeFailed(f"{url}: {str(error) or type(error).__name__}") from error
