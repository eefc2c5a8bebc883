"""
The gateway's end: peers with a certificate come in, and reach exported services.

`serve` is one TCP connection, from accept to its end; `_stream` is one connection of an application
over there, stage by stage. What the peer speaks follows from what both have agreed on (ALPN):

    jackstay/1             frames: stream after stream on one tunnel
    transport.l5d.io/v1    one transport header, as Linkerd's proxies send it, then raw bytes
    nothing                raw bytes, to the service that it has named by SNI

A service is found only by name and only among the exported ones, so
nothing here can be led to an address that the routes do not contain.
"""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NoReturn

import structlog

from certs.generation import Generation
from gateway import handshake, proxy_protocol
from gateway.balance import Loads, candidates
from gateway.buffers import Buffers
from gateway.channel import Channel
from gateway.dial import dial
from gateway.direct import Direct
from gateway.ejection import Ejections
from gateway.frames import ALPN
from gateway.handshake import Secured, Threads
from gateway.journal import Entry, Journal
from gateway.lingering import Lingering
from gateway.messages import Opening
from gateway.metrics import DataPathMetrics
from gateway.policy import may_use
from gateway.pump import Ending, Pump
from gateway.quota import Quota
from gateway.refusals import (
    Crowded,
    Draining,
    NoEndpoint,
    NotAllowed,
    NotExported,
    OverLimit,
    Reason,
    Refused,
    TooSlow,
)
from gateway.routes import Route, RouteTable
from gateway.settings import InboundSettings
from gateway.transport_header import BadHeader
from gateway.trust import Trust, ended
from gateway.tunnel import Tunnel
from gateway.wire import Wire
from process.address import Address

log = structlog.get_logger()

_CROSSING = 1.0
"""Seconds for an OPEN to arrive that was sent before our GOAWAY was read."""


class Inbound:
    """Serves the connections of peers. Routes and certificates are asked for anew each time."""

    def __init__(
        self,
        settings: InboundSettings,
        *,
        generation: Callable[[], Generation],
        routes: Callable[[], RouteTable],
        threads: Threads,
        lingering: Lingering,
        metrics: DataPathMetrics,
    ) -> None:
        self._settings = settings
        self._deadlines = settings.deadlines
        self._generation = generation
        self._routes = routes
        self._threads = threads
        self._lingering = lingering
        self._metrics = metrics
        self._journal = Journal("inbound", metrics)
        self._buffers = Buffers(most_held=settings.most_held_bytes)
        self._loads = Loads()
        self._ejections = Ejections(
            asyncio.get_running_loop().time, random.random, changed=self._ejection_changed
        )
        metrics.held.set_function(lambda: self._buffers.held)
        metrics.ejected.set_function(lambda: len(self._ejections))
        metrics.idle_tunnels.set_function(lambda: sum(not one.in_stream for one in self._tunnels))
        self._tunnels: dict[Tunnel, bytes] = {}  # with the certificates that we have shown
        self._directs: set[Direct] = set()
        self.trust = Trust(
            "client",
            lambda: [*self._tunnels, *self._directs],
            overrun=settings.max_identity_overrun,
            distrusted=lambda one: one.go_away(),
            overran=lambda why: metrics.refused(why.reason),
        )
        self._tunnel_quota = Quota(settings.most_tunnels_per_identity, "connections")
        self._stream_quota = Quota(settings.most_streams_per_identity, "streams")
        self._closing = False

    @property
    def running(self) -> set[Entry]:
        """The streams that run now."""
        return self._journal.running

    def loop_late(self, seconds: float, ours: float) -> None:
        """The loop was late by so much, and by so much of it through what it does itself."""
        self._metrics.loop_late(seconds)
        self._buffers.loop_late(ours)

    async def serve(self, wire: Wire) -> None:
        """One connection of a peer: let it in, then stream after stream until either side ends it."""
        try:
            secured = await self._secure(wire)  # PeerUntrusted, ProtocolViolation, TooSlow, PeerGone, Crowded
        except Crowded as refusal:
            self._refused(wire, refusal)
            wire.reset()  # there are many of them, and nothing was said that could be read
            return
        except Refused as refusal:
            self._refused(wire, refusal)
            await wire.linger()  # time for the alert to be read
            return
        except BaseException:
            wire.reset()
            raise
        try:
            with self._tunnel_quota.taken(secured.peer.identity):  # OverLimit
                if secured.engine.alpn == ALPN:
                    await self._serve_tunnel(wire, secured)
                else:
                    await self._serve_direct(wire, secured)
        except OverLimit as refusal:
            self._refused(wire, refusal)
            if secured.engine.alpn == ALPN:
                await Channel(wire, secured.engine, self._buffers, secured.unread).close_gently()
            else:
                await wire.linger()  # close_notify would be the end of an empty answer

    async def _serve_tunnel(self, wire: Wire, secured: Secured) -> None:
        """Stream after stream."""
        async with self._tunnel(wire, secured) as tunnel:
            while True:
                opening = await self._next_opening(tunnel)  # PeerGone, TooSlow, Draining
                await self._stream(tunnel, opening)

    def silent(self, wire: Wire) -> None:
        """A peer has connected, and not sent a byte in time. Nothing was made for it."""
        self._refused(wire, TooSlow(f"the first byte has not come within {self._deadlines.first_byte:g} s"))
        wire.close()

    async def _serve_direct(self, wire: Wire, secured: Secured) -> None:
        """A peer without frames: one stream, to the service that it names first."""
        direct = Direct(Channel(wire, secured.engine, self._buffers, secured.unread), secured.peer)
        self._directs.add(direct)
        try:
            opening = await self._asked(direct, secured)  # BadHeader, TooSlow, PeerGone
            await self._stream(direct, opening)
        except Refused as refusal:  # of the header: those of the stream are in the journal
            self._metrics.refused(refusal.reason)
            _log_no_header(direct, refusal)
            direct.refuse(refusal)
            await direct.until_free()
        finally:
            if direct.bare_fin:
                self._metrics.bare_fin()
            self._directs.discard(direct)
            self.trust.forget(direct)
            direct.part(self._lingering)

    async def _asked(self, direct: Direct, secured: Secured) -> Opening:
        """What is asked for, bounded and decided before any route is looked at; the id is ours."""
        named = secured.named
        if secured.engine.alpn is None and named is not None:
            return Opening(named.service, named.port, secrets.token_hex(16))
        async with _deadline(self._deadlines.transport_header, "the transport header"):
            header = await direct.header()
        if header.name is None:
            raise BadHeader(
                "the transport header names no service, and behind a gateway there is nothing else"
            )
        if header.session is not None:
            raise BadHeader(
                f"the transport header announces {header.session.name}, of which only Linkerd's gateways "
                f"make something: mark {header.name}:{header.port} as opaque where the peer is "
                "(config.linkerd.io/opaque-ports)"
            )
        return Opening(header.name, header.port, secrets.token_hex(16))

    async def _stream(self, tunnel: Tunnel | Direct, opening: Opening) -> None:
        """One stream; what a stage may refuse stands beside it. The tunnel outlives a refusal."""
        try:
            with self._journal.stream(_entry(tunnel, opening)) as entry:
                self._check_peer(tunnel, opening)  # PeerUntrusted, Draining, NotExported
                if isinstance(tunnel, Tunnel) and tunnel.opens > 1:
                    self._metrics.tunnel_reused()
                self._buffers.check()  # OverLimit
                with self._stream_quota.taken(tunnel.peer.identity):  # OverLimit
                    route = self._route(opening, tunnel)  # NotExported, NotAllowed, NoEndpoint
                    backend, endpoint = await self._dial(route, tunnel)  # BackendUnreachable, OverLimit
                    entry.backend = str(endpoint)
                    if route.accept_bare_fin and isinstance(tunnel, Direct):
                        tunnel.accept_bare_fin()
                    if route.proxy_protocol:
                        backend.send(_who_calls(tunnel, opening))
                    with self._loads.counted(endpoint):
                        await self._relay(tunnel, backend, entry)
        except Refused as refusal:
            tunnel.refuse(refusal)
            async with _deadline(self._deadlines.refused, "the client's last word"):
                await tunnel.until_free()

    async def _secure(self, wire: Wire) -> Secured:
        """The handshake of a peer that has sent its first byte."""
        loop, patience = asyncio.get_running_loop(), self._deadlines.handshake
        started = loop.time()
        try:
            async with asyncio.timeout(patience):
                secured = await handshake.accept(
                    wire, self._generation, self._threads, cluster_domain=self._settings.cluster_domain
                )
        except TimeoutError:
            raise TooSlow(f"the end of the handshake has not come within {patience:g} s") from None
        self._metrics.handshake("ok", loop.time() - started)
        return secured

    @asynccontextmanager
    async def _tunnel(self, wire: Wire, secured: Secured) -> AsyncIterator[Tunnel]:
        """A tunnel to a verified peer; closed when the block is left, by a refusal as a rule."""
        channel = Channel(wire, secured.engine, self._buffers, secured.unread)
        tunnel = Tunnel(channel, secured.peer, "server")
        self._tunnels[tunnel] = secured.shown
        self._metrics.tunnel_opened()
        try:
            tunnel.start()
            if self._closing or secured.shown != self._shown_now:  # its handshake has begun before
                tunnel.go_away()
            yield tunnel
        except Refused as end:
            _log_end(wire, tunnel, end)
        finally:
            del self._tunnels[tunnel]
            self.trust.forget(tunnel)
            self._metrics.tunnel_closed()
            await tunnel.close_gently()

    def _refused(self, wire: Wire, refusal: Refused) -> None:
        """A peer was not let in. One that leaves without a word (a health check) is no news."""
        self._metrics.handshake(refusal.reason)
        self._metrics.refused(refusal.reason)
        level = log.debug if refusal.reason is Reason.PEER_RESET else log.warning
        level("peer.refused", remote=str(wire.remote), reason=refusal.reason.value, message=str(refusal))

    async def _next_opening(self, tunnel: Tunnel) -> Opening:
        """
        The next stream that the peer asks for; a PING is a sign of life meanwhile.

        The first frame is awaited for a shorter time than later ones, and once we are closing
        only those that have crossed our GOAWAY.
        """
        while True:
            patience = self._deadlines.silence if tunnel.spoke else self._deadlines.first_frame
            heard = tunnel.bytes_carried
            try:
                async with asyncio.timeout(_CROSSING if self._closing else patience):
                    if opening := await tunnel.next_opening():
                        return opening
            except TimeoutError:
                if self._closing:
                    raise Draining("the gateway is about to end") from None
                if tunnel.bytes_carried == heard:
                    raise TooSlow(f"nothing was heard for {patience:g} s") from None

    def _check_peer(self, tunnel: Tunnel | Direct, opening: Opening) -> None:
        if self._closing:
            raise Draining("the gateway is about to end")
        if tunnel.peer.not_after <= datetime.now(UTC):
            tunnel.go_away()
            raise ended(tunnel)
        if self.trust and (distrust := self.trust.lost(tunnel)) is not None:
            raise type(distrust)(str(distrust))
        ours = self._settings.cluster
        if ours and opening.cluster and opening.cluster != ours:
            raise NotExported(f"this is the gateway of {ours}, and not of {opening.cluster}")

    def _route(self, opening: Opening, tunnel: Tunnel | Direct) -> Route:
        """The route to what is asked for. To the peer, unknown and not exported read the same."""
        route = self._allowed(opening.service, opening.port, tunnel.peer.identity)
        if not route.backends:
            raise NoEndpoint(f"{opening.service}:{opening.port} has no ready endpoint")
        return route

    def _allowed(self, service: str, port: int, identity: str) -> Route:
        route = self._routes().find(service, port)
        if route is None:
            raise NotExported(f"{service}:{port} is not exported")
        if not may_use(identity, route):
            raise NotAllowed(f"{identity} may not use {service}:{port}")
        return route

    def recheck(self) -> None:
        """The routes have changed: streams that would be refused now are cut."""
        if self._ejections:
            self._ejections.keep(one for route in self._routes().routes.values() for one in route.backends)
        for entry in list(self._journal.running):
            try:
                self._allowed(entry.service, entry.port, entry.peer)
            except Refused as refusal:
                if entry.pump is not None:
                    entry.pump.cut(refusal)

    async def _dial(self, route: Route, tunnel: Tunnel | Direct) -> tuple[Wire, Address]:
        """A connection to the first endpoint that takes one; who keeps failing is passed over for a while."""
        # By what is verified: the application's own address is only what the peer says it is.
        caller = f"{tunnel.peer.identity} {tunnel.wire.remote.host}" if route.sticky else ""
        chosen = candidates(route, caller, load=self._loads.of, ejected=self._ejections, chance=random.random)
        if self._ejections:
            chosen = self._on_trial(chosen)
        table = self._routes()
        wire, endpoint = await dial(
            chosen,
            each=self._deadlines.connect,
            total=self._deadlines.connect_total,
            allow_loopback=self._settings.allow_loopback or table.allow_loopback,
            never=table.never_of(route),
            failed=self._ejections.failed,
        )
        if self._ejections:
            self._ejections.succeeded(endpoint)
        return wire, endpoint

    def _on_trial(self, chosen: Iterable[Address]) -> Iterator[Address]:
        for endpoint in chosen:
            self._ejections.tried(endpoint)
            yield endpoint

    def _ejection_changed(self, endpoint: Address, ejected: bool) -> None:  # noqa: FBT001  # a callback's
        if ejected:
            self._metrics.ejections.inc()
            log.warning("endpoint.ejected", endpoint=str(endpoint))
        else:
            log.info("endpoint.returned", endpoint=str(endpoint))

    async def _relay(self, tunnel: Tunnel | Direct, backend: Wire, entry: Entry) -> None:
        pump = Pump(tunnel, backend, self._buffers, self._deadlines.pump)
        entry.carried_by(pump)
        try:
            pump.start_server()
            entry.outcome = await pump.outcome
        finally:
            pump.stop()
            if entry.outcome is not None and entry.outcome.ending is Ending.FINISHED:
                self._lingering.close(backend)
            else:
                self._lingering.reset(backend)

    # A new certificate of ours.

    @property
    def _shown_now(self) -> bytes:
        return self._generation().credentials.chain_pem

    async def follow_certificate(self, *, every: float = 1.0) -> NoReturn:
        """
        Once it is another one, ask those who know us by the old one to make new tunnels, over a while.

        What runs is not touched. Until cancelled.
        """
        known = self._shown_now
        while True:
            await asyncio.sleep(every)
            if (shown := self._shown_now) != known:
                known = shown
                old = [tunnel for tunnel, before in self._tunnels.items() if before != shown]
                log.info("tunnels.renewing", tunnels=len(old), seconds=self._settings.rotation_spread)
                await _send_away(old, self._settings.rotation_spread)

    # The end.

    async def drain(self, *, spread: float) -> None:
        """Ask all peers, over *spread* seconds, to open their streams elsewhere."""
        await _send_away(list(self._tunnels), spread)

    def close(self) -> None:
        """No new stream any more: idle tunnels end now, the others with their stream."""
        self._closing = True
        for tunnel in self._tunnels:
            tunnel.go_away()
            tunnel.nudge()


async def _send_away(tunnels: Sequence[Tunnel], spread: float) -> None:
    """Say GOAWAY to all *tunnels*, evenly over *spread* seconds."""
    for tunnel in tunnels:
        tunnel.go_away()
        await asyncio.sleep(spread / len(tunnels))


def _who_calls(tunnel: Tunnel | Direct, opening: Opening) -> bytes:
    """What a backend that wants it is told before the first byte."""
    return proxy_protocol.header(
        tunnel.wire.remote,
        tunnel.wire.local,
        identity=tunnel.peer.identity,
        id=opening.id,
        claim=opening.source,
    )


def _log_end(wire: Wire, tunnel: Tunnel, end: Refused) -> None:
    regular = end.reason in (Reason.PEER_RESET, Reason.DRAINING)
    probed = regular and tunnel.spoke and not tunnel.opens  # every few seconds, for ever
    (log.debug if probed else log.info if regular else log.warning)(
        "tunnel.closed",
        remote=str(wire.remote),
        peer=tunnel.peer.identity,
        streams=tunnel.opens,
        reason=end.reason.value,
        message=str(end),
    )


def _log_no_header(direct: Direct, refusal: Refused) -> None:
    (log.debug if refusal.reason is Reason.PEER_RESET else log.warning)(
        "header.refused",
        remote=str(direct.wire.remote),
        peer=direct.peer.identity,
        reason=refusal.reason.value,
        message=str(refusal),
    )


def _entry(tunnel: Tunnel | Direct, opening: Opening) -> Entry:
    return Entry(
        id=opening.id,
        service=opening.service,
        port=opening.port,
        peer=tunnel.peer.identity,
        source=str(tunnel.wire.remote),
    )


@asynccontextmanager
async def _deadline(seconds: float, what: str) -> AsyncIterator[None]:
    """Raises TooSlow if the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise TooSlow(f"{what} has not come within {seconds:g} s") from None
