"""
A peer is as good as its certificate now: those who are in are looked at again.

Other trust anchors may not vouch for who came in under the old ones, a revocation list may be out of date,
and a certificate may end while its tunnel lives. Nothing new goes over such a connection; what runs on it may
go on for a while, and no longer. A peer whose certificate is revoked is cut off at once.
"""

import asyncio
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import NoReturn, TypeAlias

import structlog

from certs.generation import Generation
from certs.verification import Revoked, Role, Untrusted
from gateway.direct import Direct
from gateway.refusals import PeerRevoked, PeerUntrusted
from gateway.tunnel import Tunnel

log = structlog.get_logger()

EVERY = 1.0
"""Seconds."""

Chain: TypeAlias = tuple[bytes, ...]
Verified: TypeAlias = Tunnel | Direct
"""A connection whose other end was verified when it was made."""


def now_in_utc() -> datetime:
    return datetime.now(UTC)


class Trust:
    """Which of the connections that there are would not be made today."""

    def __init__(
        self,
        role: Role,
        connections: Callable[[], Collection[Verified]],
        *,
        overrun: float,
        distrusted: Callable[[Verified], None],
        overran: Callable[[PeerUntrusted], None],
    ) -> None:
        """
        The other ends of *connections* are *role*. *distrusted* is called with one that is to carry nothing
        new; it is closed *overrun* seconds later, which *overran* counts, unless `forget` was called or it is
        trusted again. One that is revoked is closed at once.
        """
        self._role = role
        self._connections = connections
        self._overrun = overrun
        self._on_distrusted = distrusted
        self._overran = overran
        self._now = asyncio.get_running_loop().time
        self._distrusted: dict[Verified, tuple[PeerUntrusted, float]] = {}  # with when it is to end

    def __len__(self) -> int:
        """How many are distrusted."""
        return len(self._distrusted)

    def lost(self, one: Verified) -> PeerUntrusted | None:
        """Why *one* carries nothing new; None if it does."""
        why, _ = self._distrusted.get(one, (None, 0.0))
        return why

    def forget(self, one: Verified) -> None:
        """*one* has ended."""
        self._distrusted.pop(one, None)

    async def follow(
        self,
        generation: Callable[[], Generation],
        *,
        every: float = EVERY,
        now: Callable[[], datetime] = now_in_utc,
    ) -> NoReturn:
        """
        Look again and again: whose certificate has ended, and whom new anchors or revocation lists, or lists
        that have become out of date, let in. Until cancelled.

        Each chain is verified once, however many tunnels came with it, and in a thread. Whoever comes in
        meanwhile is verified by the new ones: a handshake ends only under the current generation.
        """
        known = _rules(generation(), now())
        while True:
            await asyncio.sleep(every)
            at = now()
            self.look_for_ended(at)
            self._close_overdue()
            current = generation()
            if (rules := _rules(current, at)) != known:
                known = rules
                chains = frozenset(one.peer.chain for one in self._connections())
                refused = await asyncio.to_thread(_refused, current, chains, self._role, at)
                self._trust_again(chains - refused.keys(), at)
                self.distrust(refused)

    def look_for_ended(self, at: datetime) -> None:
        """Distrust those whose certificate is not valid any more at *at*."""
        for one in [one for one in self._connections() if one.peer.not_after <= at]:
            self._distrust(one, ended(one))

    def distrust(self, refused: Mapping[Chain, PeerUntrusted]) -> None:
        """Distrust those who came with a chain of *refused*."""
        for one in list(self._connections()) if refused else ():
            if (why := refused.get(one.peer.chain)) is not None:
                self._distrust(one, why)

    def _trust_again(self, chains: Collection[Chain], at: datetime) -> None:
        """Those who came with one of *chains* may go on: a file was broken or late, and is not any more."""
        for one in [one for one in self._distrusted if one.peer.chain in chains]:
            _, due = self._distrusted[one]
            if due < math.inf and one.peer.not_after > at:
                log.info("peer.trusted_again", remote=str(one.wire.remote), peer=one.peer.identity)
                del self._distrusted[one]

    def _distrust(self, one: Verified, why: PeerUntrusted) -> None:
        overrun = 0.0 if isinstance(why, PeerRevoked) else self._overrun
        _, due = self._distrusted.get(one, (None, 0.0))
        if due == math.inf or (one in self._distrusted and not isinstance(why, PeerRevoked)):
            return
        log.warning(
            "peer.distrusted",
            remote=str(one.wire.remote),
            peer=one.peer.identity,
            reason=why.reason.value,
            message=str(why),
            seconds=overrun,
        )
        known = one in self._distrusted
        self._distrusted[one] = why, self._now() + overrun
        if not known:
            self._on_distrusted(one)
        if isinstance(why, PeerRevoked) and one in self._distrusted:  # it may have ended by that already
            self._close(one, why)

    def _close_overdue(self) -> None:
        for one, (why, due) in list(self._distrusted.items()):
            if due <= self._now():
                self._close(one, why)

    def _close(self, one: Verified, why: PeerUntrusted) -> None:
        self._distrusted[one] = why, math.inf
        self._overran(why)
        one.close(why)


def ended(one: Verified) -> PeerUntrusted:
    """What is said of a peer whose certificate is not valid any more."""
    return PeerUntrusted(f"the peer's certificate has ended at {one.peer.not_after:%Y-%m-%d %H:%M:%SZ}")


def _rules(generation: Generation, at: datetime) -> tuple[object, ...]:
    """What a verdict depends on: anchors, revocation lists, and which of them are current."""
    lists = generation.revocations
    return generation.rules, lists.current(at) if lists is not None else ()


def _refused(
    generation: Generation, chains: Iterable[Chain], role: Role, at: datetime
) -> dict[Chain, PeerUntrusted]:
    refused: dict[Chain, PeerUntrusted] = {}
    with_lists = generation.revocations is not None
    changed = f"the trust anchors{' or revocation lists' if with_lists else ''} have changed"
    for chain in chains:
        try:
            generation.chains.verify(chain, role=role, at=at)
        except Revoked as error:
            refused[chain] = PeerRevoked(str(error))
        except Untrusted as error:
            refused[chain] = PeerUntrusted(f"{changed}: {error}")
    return refused
