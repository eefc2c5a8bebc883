"""Asking a gateway, over the real door, whether it lives: connect, mutual TLS, PING, PONG."""

import asyncio

from certs.generation import Generation
from gateway.buffers import Buffers
from gateway.refusals import Reason, Refused
from gateway.settings import Deadlines
from gateway.tunnel_client import TunnelClient
from process.address import Address


class ProbeFailed(Exception):
    """A gateway did not answer as a living gateway does; `str()` says how, `reason` of what sort it is."""

    def __init__(self, message: str, reason: Reason) -> None:
        super().__init__(message)
        self.reason = reason


async def ping(address: Address, identity: str, generation: Generation, *, timeout: float) -> float:
    """
    Seconds from PING to PONG, on a new tunnel to *address* whose certificate says *identity*.

    Whether it may be a gateway's address at all has been decided by the caller. Raises ProbeFailed,
    after *timeout* seconds at the latest.
    """
    loop = asyncio.get_running_loop()
    client = TunnelClient(None, Buffers(), Deadlines(), allow_loopback=True)
    try:
        async with asyncio.timeout(timeout):
            tunnel = await client.connect(address, identity, lambda: generation)
            try:
                asked = loop.time()
                await tunnel.ping()
                return loop.time() - asked
            finally:
                tunnel.close()
    except TimeoutError:
        raise ProbeFailed(f"no answer within {timeout:g} s", Reason.TIMEOUT) from None
    except Refused as refusal:
        raise ProbeFailed(str(refusal).removeprefix(f"{address}: "), refusal.reason) from refusal
