"""Other trust anchors: who came in under the old ones is looked at again."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from certs.generation import Generation
from certs.verification import Untrusted
from gateway.refusals import PeerUntrusted

EVERY = 1.0
"""Seconds."""

Chain = tuple[bytes, ...]


async def follow_anchors(
    generation: Callable[[], Generation],
    chains: Callable[[], Iterable[Chain]],
    untrusted: Callable[[dict[Chain, PeerUntrusted]], None],
    every: float = EVERY,
) -> None:
    """
    Tell *untrusted* of the clients' *chains* that new anchors do not vouch for, until cancelled.

    Each chain is verified once, however many tunnels came with it, and in a thread. Whoever comes in
    meanwhile is verified by the new anchors: a handshake ends only under the current generation.
    """
    known = generation().bundle.digest
    while True:
        await asyncio.sleep(every)
        current = generation()
        if current.bundle.digest != known:
            known = current.bundle.digest
            refused = await asyncio.to_thread(_refused, current, frozenset(chains()))
            if refused:
                untrusted(refused)


def _refused(generation: Generation, chains: Iterable[Chain]) -> dict[Chain, PeerUntrusted]:
    at, refused = datetime.now(UTC), {}
    for chain in chains:
        try:
            generation.chains.verify(chain, role="client", at=at)
        except Untrusted as error:
            refused[chain] = PeerUntrusted(f"the trust anchors have changed: {error}")
    return refused
