"""
Tunnels to one gateway, made ahead of need and used again.

Whoever needs one gets an idle tunnel if there is one; otherwise a new one is dialled, and the next to
come free, old or new, goes to who has waited longest. Idle tunnels are PINGed, since a load balancer
may forget a silent connection without telling anybody.

Once we show another certificate, each tunnel that was made under the one before is replaced, at a time of its
own within a while: it is closed when it is idle then or as soon as it is, and those that are kept warm only
after new ones are there. As long as no new one can be made the old ones serve.
"""

import asyncio
import math
import random
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog

from gateway.refusals import BackendUnreachable, Defect, OverLimit, PeerGone, Refused, TooSlow
from gateway.settings import PoolSettings
from gateway.tunnel import Tunnel
from process.address import Address
from process.backoff import Backoff

log = structlog.get_logger()

_MOST_DIALLING = 32
"""Handshakes at once: more would only wait for each other, and who waits for too long is dropped."""

_CROWDED = (PeerGone, TooSlow)
"""How a gateway looks that has more handshakes to compute than it can: it drops some, or is late."""

_CROWDED_PAUSE = 0.1

_MOST_WAIT = 15.0
"""Seconds for a tunnel to come free."""

_BACKOFF = Backoff(first=0.5, most=30.0)


class Pool:
    """The tunnels to *address*. `run` keeps it; without it nothing is made or asked ahead."""

    def __init__(
        self,
        address: Address,
        connect: Callable[[], Awaitable[Tunnel]],
        settings: PoolSettings,
        *,
        shown: Callable[[], bytes],
        opened: Callable[[Tunnel], None],
        closed: Callable[[Tunnel], None],
    ) -> None:
        """*shown* is what we show to a gateway now; *opened* and *closed* are told of each tunnel."""
        self.address = address
        self._connect = connect
        self._settings = settings
        self._shown = shown
        self._opened = opened
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._idle: list[tuple[Tunnel, float]] = []  # with the time since when; the latest used is last
        self._all: dict[Tunnel, bytes] = {}  # with the certificate under which it was made
        self._replace_at: dict[Tunnel, float] = {}  # those that were made under an older one
        self._retired: set[Tunnel] = set()
        self._waiting: deque[asyncio.Future[Tunnel]] = deque()
        self._dialling: set[asyncio.Task[None]] = set()
        self._asking: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._retry_at = 0.0
        self._closing = False
        self.failure: Refused | None = None
        """Why the last try to make a tunnel failed; None if it did not."""

    def __repr__(self) -> str:
        return (
            f"<Pool {self.address} idle={len(self._idle)} all={len(self._all)} waiting={len(self._waiting)}>"
        )

    @property
    def sizes(self) -> tuple[int, int]:
        """How many tunnels are idle, and how many there are."""
        return len(self._idle), len(self._all)

    @property
    def outdated(self) -> int:
        """How many tunnels are to be replaced, since we show another certificate now."""
        return len(self._replace_at)

    async def take(self, *, fresh: bool = False) -> Tunnel:
        """
        A tunnel that is free and alive; give it back when its stream is over. A *fresh* one is
        none of those that are idle now.

        Raises what a new one could not be made for, OverLimit among others.
        """
        while True:
            tunnel = self._take_idle() if not fresh else None
            if tunnel is None:
                tunnel = await self._wait()
            # Between being given to us and our turn it may have been lost, sent away or retired.
            if self._fit(tunnel):
                return tunnel
            self._discard(tunnel)

    def _take_idle(self) -> Tunnel | None:
        while self._idle:
            tunnel, _ = self._idle.pop()
            tunnel.look()
            if self._fit(tunnel):
                return tunnel
            self._discard(tunnel)
        return None

    def _fit(self, tunnel: Tunnel) -> bool:
        """Whether it may carry another stream: it lives, and its gateway's certificate is good now."""
        return tunnel.usable and tunnel not in self._retired and tunnel.peer.not_after > datetime.now(UTC)

    async def _wait(self) -> Tunnel:
        """The next tunnel that comes free, old or new; after those who have waited longer."""
        if self._closing:
            raise BackendUnreachable(f"{self.address} is no gateway of ours any more")
        future: asyncio.Future[Tunnel] = self._loop.create_future()
        self._waiting.append(future)
        self._dial_for_waiting()
        try:
            async with asyncio.timeout(_MOST_WAIT):
                return await self._given(future)
        except TimeoutError:
            raise TooSlow(f"no tunnel to {self.address} has come free within {_MOST_WAIT:g} s") from None
        finally:
            if future in self._waiting:
                self._waiting.remove(future)

    async def _given(self, future: "asyncio.Future[Tunnel]") -> Tunnel:
        """The tunnel that *future* gets; one that comes when nobody waits any more is given back."""
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.give_back(future.result())
            raise

    def give_back(self, tunnel: Tunnel) -> None:
        """The stream on *tunnel* is over, one way or the other."""
        worn = tunnel.bytes_carried > self._settings.retire_after or self._outdated(tunnel)
        if worn or self._closing:
            self._discard(tunnel)
        else:
            self._offer(tunnel)

    def _offer(self, tunnel: Tunnel) -> None:
        """To who has waited longest, else it is idle."""
        if not self._fit(tunnel):
            self._discard(tunnel)
            return
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(tunnel)
                return
        self._idle.append((tunnel, self._loop.time()))

    def retire(self, tunnel: Tunnel) -> None:
        """Hand *tunnel* out no more. It ends now if it is idle, else with its stream."""
        self._retired.add(tunnel)
        if any(idle is tunnel for idle, _ in self._idle):
            self._forget_idle(tunnel)
            self._discard(tunnel)

    async def run(self) -> None:
        """Keep some tunnels warm, ask the idle ones, close the unused; until cancelled."""
        try:
            while True:
                self._tend(self._loop.time())
                await asyncio.sleep(0.5)
        finally:
            self.close()
            if tasks := self._dialling | self._asking:
                await asyncio.wait(tasks)

    def close(self) -> None:
        """No gateway of ours any more: idle tunnels end now, others with their stream."""
        self._closing = True
        for task in self._dialling | self._asking:
            task.cancel()
        while self._idle:
            self._discard(self._idle.pop()[0])

    def _tend(self, now: float) -> None:
        self._plan_replacements(now)
        for tunnel, since in self._idle[:]:
            spare = len(self._idle) > self._settings.warm
            unused = now - since > self._settings.unused and spare
            replaced = self._outdated(tunnel) and (spare or self._full)
            if unused or replaced or not self._fit(tunnel):
                self._idle.remove((tunnel, since))
                self._discard(tunnel)
            elif now - tunnel.heard_at > self._settings.ping_every * random.uniform(0.8, 1.0):
                self._ask(tunnel)
        kept = sum(not self._due(tunnel) for tunnel, _ in self._idle)
        missing = self._settings.warm - kept - len(self._dialling)
        if missing > 0 and now >= self._retry_at:
            for _ in range(missing):
                if not self._full:
                    self._dial()

    # A new certificate of ours.

    def _plan_replacements(self, now: float) -> None:
        shown = self._shown()
        for tunnel, before in self._all.items():
            if before != shown and tunnel not in self._replace_at:
                self._replace_at[tunnel] = now + random.random() * self._settings.rotation_spread

    def _due(self, tunnel: Tunnel) -> bool:
        return bool(self._replace_at) and self._replace_at.get(tunnel, math.inf) <= self._loop.time()

    def _outdated(self, tunnel: Tunnel) -> bool:
        """Whether it is time for another one in its place, and there can be one as far as we know."""
        return self._due(tunnel) and self.failure is None

    # Dialling.

    def _dial_for_waiting(self) -> None:
        if len(self._dialling) >= min(len(self._waiting), _MOST_DIALLING):
            return
        if self._full:
            most = self._settings.most
            self._waiting.pop().set_exception(OverLimit(f"{most} tunnels to {self.address} are in use"))
            return
        self._dial()

    def _dial_if_waiting(self) -> None:
        if self._waiting and not self._closing:
            self._dial_for_waiting()

    @property
    def _full(self) -> bool:
        return len(self._all) + len(self._dialling) >= self._settings.most

    def _dial(self) -> None:
        self._dialling.add(self._loop.create_task(self._dialled()))

    async def _dialled(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        shown = self._shown()  # perhaps it is already a newer one: then this tunnel is replaced for nothing
        try:
            tunnel = await self._connect()
        except Refused as refusal:
            self._failed(refusal)
        except Exception:  # those who wait must be told of our own errors too
            log.exception("tunnel.failed", gateway=str(self.address))
            self._failed(Defect("the tunnel could not be made, by an error of ours"))
        else:
            # Now, and not when the task is over: whoever is woken may want another one at once.
            self._dialling.discard(task)
            self._made(tunnel, shown)
        finally:
            self._dialling.discard(task)

    def _made(self, tunnel: Tunnel, shown: bytes) -> None:
        if self.failure is not None:
            log.info("gateway.reached", gateway=str(self.address))
        self.failure, self._failures, self._retry_at = None, 0, 0.0
        self._all[tunnel] = shown
        self._opened(tunnel)
        tunnel.on_change = lambda: self._changed(tunnel)
        # Nor is it worn before its first stream, whatever was said on it and however little it may carry.
        self._discard(tunnel) if self._closing else self._offer(tunnel)
        self._dial_for_waiting()

    def _failed(self, refusal: Refused) -> None:
        """
        All who wait are told: they may know another gateway. But where others get in, the door was only
        crowded, and who waits gets a tunnel that comes free, or a further try.
        """
        if isinstance(refusal, _CROWDED) and (self._all or len(self._dialling) > 1):
            log.debug("tunnel.crowded_out", gateway=str(self.address), message=str(refusal))
            self._loop.call_later(_CROWDED_PAUSE * (1 + random.random()), self._dial_if_waiting)
            return
        if self.failure is None or self.failure.reason is not refusal.reason:
            log.warning(
                "gateway.unreachable",
                gateway=str(self.address),
                reason=refusal.reason.value,
                message=str(refusal),
            )
        self.failure = refusal
        self._retry_at = self._loop.time() + _BACKOFF.delay(self._failures, random.random())
        self._failures += 1
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(type(refusal)(str(refusal)))

    # Tending.

    def _ask(self, tunnel: Tunnel) -> None:
        if any(task.get_name() == _name(tunnel) for task in self._asking):
            return
        task = self._loop.create_task(self._asked(tunnel), name=_name(tunnel))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _asked(self, tunnel: Tunnel) -> None:
        try:
            async with asyncio.timeout(self._settings.ping_timeout):
                await tunnel.ping()
        except (TimeoutError, Refused) as error:
            log.warning("tunnel.silent", gateway=str(self.address), message=str(error) or "no PONG")
            self._forget_idle(tunnel)
            if tunnel.usable:
                self._discard(tunnel)

    def _changed(self, tunnel: Tunnel) -> None:
        """It is lost, or its gateway wants no more streams on it."""
        self._forget_idle(tunnel)
        if tunnel.lost is not None or not tunnel.in_stream:
            self._discard(tunnel)

    def _forget_idle(self, tunnel: Tunnel) -> None:
        self._idle = [(idle, since) for idle, since in self._idle if idle is not tunnel]

    def _discard(self, tunnel: Tunnel) -> None:
        if tunnel in self._all:
            del self._all[tunnel]
            self._retired.discard(tunnel)
            self._replace_at.pop(tunnel, None)
            tunnel.on_change = None
            tunnel.close()
            self._closed(tunnel)


def _name(tunnel: Tunnel) -> str:
    return f"ping-{id(tunnel)}"
