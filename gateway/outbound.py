"""
The client's end: applications' plain TCP comes in, and leaves through tunnels to gateways, or to
Linkerd's gateways through a connection of its own.

`serve` is one connection of an application. As long as no byte of it can have reached a backend it
may be tried again, on another tunnel or at another gateway; after that the application gets a reset.
"""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, TypeVar

import structlog

from certs.generation import Generation
from certs.verification import Untrusted
from gateway.balance import Loads, order
from gateway.buffers import Buffers
from gateway.direct import Direct
from gateway.frames import ALPN
from gateway.handshake import Threads
from gateway.journal import Entry, Journal
from gateway.lingering import Lingering
from gateway.messages import Opening
from gateway.metrics import DataPathMetrics
from gateway.pool import Pool
from gateway.pump import Early, Ending, Outcome, Pump
from gateway.refusals import BackendUnreachable, NoEndpoint, PeerUntrusted, Reason, Refused
from gateway.routes import Target
from gateway.settings import OutboundSettings
from gateway.transport_header import TransportHeader
from gateway.trust import Trust, Verified
from gateway.tunnel import Tunnel
from gateway.tunnel_client import TunnelClient
from gateway.wire import Wire
from process.address import Address

log = structlog.get_logger()

_T = TypeVar("_T")

_WORTH_ANOTHER_TRY = (Reason.DRAINING, Reason.LIMIT, Reason.INTERNAL, Reason.PEER_RESET, Reason.TIMEOUT)
"""What another tunnel may not repeat; a tunnel that was forgotten on the way looks like TIMEOUT."""


class Outbound:
    """
    Serves the connections of applications. Owns the pools of tunnels, within its block.
    """

    def __init__(
        self,
        settings: OutboundSettings,
        *,
        generation: Callable[[], Generation],
        threads: Threads,
        lingering: Lingering,
        metrics: DataPathMetrics,
    ) -> None:
        self._settings = settings
        self._generation = generation
        self._lingering = lingering
        self._metrics = metrics
        self._journal = Journal("outbound", metrics)
        self._buffers = Buffers(most_held=settings.most_held_bytes)
        metrics.held.set_function(lambda: self._buffers.held)
        self._client = TunnelClient(threads, self._buffers, settings.deadlines, settings.allow_loopback)
        self._loads = Loads()
        metrics.idle_tunnels.set_function(lambda: sum(pool.sizes[0] for pool, _ in self._pools.values()))
        self._pools: dict[tuple[Address, str], tuple[Pool, asyncio.Task[None]]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._tunnels: dict[Tunnel, Pool] = {}  # also of pools that are ending
        self._directs: set[Direct] = set()
        self.trust = Trust(
            "server",
            lambda: [*self._tunnels, *self._directs],
            overrun=settings.max_identity_overrun,
            distrusted=self._distrusted,
            overran=lambda why: metrics.refused(why.reason),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = {task for _, task in self._pools.values()} | self._ending
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    @property
    def running(self) -> set[Entry]:
        """The streams that run now."""
        return self._journal.running

    def follow(self, targets: set[Target]) -> None:
        """Keep tunnels warm to the gateways of *targets*, and none to others."""
        wanted = {
            (gateway, target.gateway_identity)
            for target in targets
            for gateway in target.gateways
            if target.protocol == ALPN
        }
        for key in self._pools.keys() - wanted:
            _, task = self._pools.pop(key)
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
            task.cancel()
        for key in wanted:
            self._pool(*key)

    def loop_late(self, seconds: float, ours: float) -> None:
        """The loop was late by so much, and by so much of it through what it does itself."""
        self._metrics.loop_late(seconds)
        self._buffers.loop_late(ours)

    async def serve(self, application: Wire, target: Target) -> None:
        """One connection of an application, to its end. The wire is closed when this returns."""
        entry = Entry(
            id=secrets.token_hex(16),
            service=target.service,
            port=target.port,
            peer=target.gateway_identity,
            source=str(application.remote),
        )
        try:
            with self._journal.stream(entry):
                self._buffers.check()  # OverLimit
                carry = self._carry if target.protocol == ALPN else self._carry_directly
                entry.outcome = await carry(application, target, entry)  # Refused
        except Refused:
            pass  # it is in the journal; the application learns by the reset that nothing was done
        finally:
            if entry.outcome is not None and entry.outcome.ending is Ending.FINISHED:
                self._lingering.close(application)
            else:
                self._lingering.reset(application)

    async def _carry(self, application: Wire, target: Target, entry: Entry) -> Outcome:
        """Try gateways and tunnels until one has carried the stream, or until it may not be retried."""
        early = Early()
        opening = Opening(
            target.service, target.port, entry.id, target.cluster, {"ip": application.remote.host}
        )
        outcome, tried = None, set[Address]()
        for entry.tries in range(1, self._settings.tries + 1):
            pool, tunnel = await self._take(target, tried)  # NoEndpoint, BackendUnreachable, PeerUntrusted
            tried.add(pool.address)
            entry.backend = str(pool.address)
            with self._loads.counted(pool.address):
                outcome = await self._relay(pool, tunnel, application, opening, early, entry)
            if not _worth_another_try(outcome, entry):
                break
        assert outcome is not None
        return outcome

    async def _carry_directly(self, application: Wire, target: Target, entry: Entry) -> Outcome:
        """To a Linkerd gateway: a connection of its own, tried again while no byte was handed to it."""
        outcome, tried = None, set[Address]()
        for entry.tries in range(1, self._settings.tries + 1):
            address, direct = await self._connect_directly(target, tried)  # as _take
            tried.add(address)
            entry.backend = str(address)
            with self._loads.counted(address):
                outcome = await self._relay_directly(direct, application, entry)
            if not _worth_another_try(outcome, entry):
                break
        assert outcome is not None
        return outcome

    async def _connect_directly(self, target: Target, tried: set[Address]) -> tuple[Address, Direct]:
        """A connection to the first gateway of *target* that takes one; to those *tried* last."""
        header = TransportHeader(target.port, target.service)
        failure: Refused = NoEndpoint(f"no gateway to {target.service} is alive")
        for address in self._in_turn(target, tried):
            made = self._client.connect_direct(address, target.gateway_identity, self._generation, header)
            try:
                return address, await self._counted(made)
            except Refused as refusal:
                failure = refusal
        raise failure

    async def _relay_directly(self, direct: Direct, application: Wire, entry: Entry) -> Outcome:
        pump = Pump(direct, application, self._buffers, self._settings.deadlines.pump)
        entry.carried_by(pump)
        self._directs.add(direct)
        try:
            pump.start_unanswered()
            return await pump.outcome
        finally:
            pump.stop()
            self._directs.discard(direct)
            self.trust.forget(direct)
            direct.part(self._lingering)

    async def _take(self, target: Target, tried: set[Address]) -> tuple[Pool, Tunnel]:
        """
        A tunnel to the first gateway of *target* that gives one.

        To gateways that have been *tried* last, and then a new tunnel: behind one address there may
        be several of them, and who refused us on an old tunnel would refuse us again.
        """
        failure: Refused = NoEndpoint(f"no gateway to {target.service} is alive")
        for address in self._in_turn(target, tried):
            pool = self._pool(address, target.gateway_identity)
            try:
                return pool, await pool.take(fresh=address in tried)
            except Refused as refusal:
                failure = refusal
        raise failure

    def _in_turn(self, target: Target, tried: set[Address]) -> list[Address]:
        """The gateways of *target*, those first that have less to do and have not been *tried*."""
        return sorted(order(target.gateways, self._loads.of, random.random), key=tried.__contains__)

    async def _relay(
        self, pool: Pool, tunnel: Tunnel, application: Wire, opening: Opening, early: Early, entry: Entry
    ) -> Outcome:
        pump = Pump(tunnel, application, self._buffers, self._settings.deadlines.pump)
        entry.carried_by(pump)
        if tunnel.opens:
            self._metrics.tunnel_reused()
        try:
            pump.start_client(opening, early)
            return await pump.outcome
        finally:
            pump.stop()
            pool.give_back(tunnel)

    def _pool(self, address: Address, identity: str) -> Pool:
        """The pool of tunnels to *address*, begun if there is none yet."""
        if (address, identity) not in self._pools:
            pool = Pool(
                address,
                lambda: self._connect(address, identity),
                self._settings.pool,
                shown=lambda: self._generation().credentials.chain_pem,
                opened=lambda tunnel: self._opened(tunnel, pool),
                closed=self._closed,
            )
            self._pools[address, identity] = pool, asyncio.get_running_loop().create_task(pool.run())
        return self._pools[address, identity][0]

    def _opened(self, tunnel: Tunnel, pool: Pool) -> None:
        self._tunnels[tunnel] = pool
        self._metrics.tunnel_opened()

    def _closed(self, tunnel: Tunnel) -> None:
        del self._tunnels[tunnel]
        self.trust.forget(tunnel)
        self._metrics.tunnel_closed()

    def _distrusted(self, one: Verified) -> None:
        if isinstance(one, Tunnel):
            self._tunnels[one].retire(one)

    async def _connect(self, address: Address, identity: str) -> Tunnel:
        return await self._counted(self._verified(address, identity))

    async def _verified(self, address: Address, identity: str) -> Tunnel:
        """A tunnel to a gateway that is let in by the anchors and lists which hold once it is made."""
        before = self._generation().rules
        tunnel = await self._client.connect(address, identity, self._generation)
        current = self._generation()
        if current.rules != before:  # perhaps while its PONG was awaited, unseen by `trust`
            try:
                current.chains.verify(tunnel.peer.chain, role="server", at=datetime.now(UTC))
            except Untrusted as error:
                tunnel.close()
                raise PeerUntrusted(str(error)) from error
        return tunnel

    async def _counted(self, connecting: Awaitable[_T]) -> _T:
        """What *connecting* makes; its handshake is counted, and so is how it fails."""
        started = asyncio.get_running_loop().time()
        try:
            made = await connecting
        except BackendUnreachable:
            raise
        except Refused as refusal:
            self._metrics.handshake(refusal.reason)
            raise
        self._metrics.handshake("ok", asyncio.get_running_loop().time() - started)
        return made


def _worth_another_try(outcome: Outcome, entry: Entry) -> bool:
    """Whether a stream that ended so can go another way, and another may not say the same."""
    if not (outcome.may_retry and outcome.reason in _WORTH_ANOTHER_TRY):
        return False
    log.debug("stream.retried", id=entry.id, reason=str(outcome.reason), message=outcome.message)
    return True
