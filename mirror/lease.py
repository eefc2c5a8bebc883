"""
Who writes: one of several mirrors, by a Lease.

The clocks of two machines are never compared. A Lease has expired for us when we, on our own monotonic
clock, have not seen it change for as long as it says it lasts. The holder trusts its hold for a shorter
time than that, from before it asked for the renewal. A Lease is still no fence (whoever stops for a
minute wakes up believing), so every write besides carries the version it was planned from.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NoReturn

import structlog

from cluster.client import Cluster
from cluster.errors import ClusterError, Conflict, NotFound
from cluster.kinds import LEASE
from cluster.metadata import Raw
from cluster.reading import Fields, Malformed
from cluster.retelling import Retelling
from mirror import holder

log = structlog.get_logger()

NAME = "jackstay-mirror"
DURATION = 15
"""Seconds after the last renewal until others may take it."""

RENEW_DEADLINE = 10.0
"""Seconds after the last renewal for which the holder trusts it."""

ORDINARY = 3
"""So many conflicts in a row are what happens when several want it; more are worth telling."""


@dataclass(frozen=True, slots=True)
class Held:
    """A Lease as it was last seen to change."""

    holder: str
    duration: float
    version: str
    seen_at: float
    """When we saw this version first, on our monotonic clock."""


def seen(raw: Raw, before: Held | None, now: float) -> Held:
    """The Lease *raw*, read *now*; if it is the one from before, seen since then."""
    fields = Fields.of(raw)
    spec, version = fields.below("spec"), fields.below("metadata").text("resourceVersion")
    at = before.seen_at if before is not None and before.version == version else now
    try:
        duration = float(spec.number("leaseDurationSeconds", DURATION))
    except Malformed:
        duration = float(DURATION)
    return Held(spec.text("holderIdentity"), duration, version, at)


def choice(held: Held, us: str, now: float, *, gone: bool) -> Literal["renew", "take", "wait"]:
    """What to do about a Lease. *gone*: its holder is known to live no more."""
    if held.holder == us:
        return "renew"
    if not held.holder or gone or now - held.seen_at >= held.duration:
        return "take"
    return "wait"


class Leadership:
    """Whether we are the one who writes. `changed` is called when that may have become another."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        *,
        changed: Callable[[], None],
        us: str | None = None,
        retry: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._changed = changed
        self._us = us or holder.ourselves()
        self._retry = retry
        self._clock = clock
        self._held: Held | None = None
        self._renewed_at: float | None = None
        self._beaten = 0
        """Conflicts in a row."""

        self._retelling = Retelling(clock=clock)

    def __repr__(self) -> str:
        return f"<Leadership of {self._us}: {'ours' if self.ours else 'not ours'}>"

    @property
    def ours(self) -> bool:
        """Whether we hold it now and may write. Asked before each write."""
        return self._renewed_at is not None and self._clock() - self._renewed_at < RENEW_DEADLINE

    @property
    def known(self) -> bool:
        """Whether we have seen who holds it, be it us."""
        return self._held is not None

    async def run(self) -> NoReturn:
        """Take the Lease and keep it, until cancelled; then give it back."""
        try:
            led = False
            while True:
                known = self.known
                await self._try_once()
                if self.ours != led:
                    led = self.ours
                    log.info("lease.taken" if led else "lease.lost", holder=self._us)
                    self._changed()
                elif self.known != known:
                    self._changed()
                await asyncio.sleep(self._retry)
        finally:
            await self._release()

    async def _try_once(self) -> None:
        began = self._clock()
        try:
            await self._step(began)
        except (NotFound, Conflict) as error:
            self._held = None  # somebody was quicker, or the namespace is missing; the next try sees
            self._renewed_at = None
            self._beaten += 1
            if isinstance(error, NotFound) or self._beaten > ORDINARY:
                self._tell(error)
        except (ClusterError, Malformed) as error:
            self._tell(error)
        else:
            self._beaten = 0
            self._retelling.over()

    def _tell(self, error: Exception) -> None:
        if self._retelling.is_due(str(error)):
            log.warning("lease.failed", because=str(error))

    async def _step(self, began: float) -> None:
        try:
            raw = await self._cluster.get(LEASE, self._namespace, NAME)
        except NotFound:
            self._keep(await self._cluster.create(LEASE, self._new()), began)
            return
        self._held = seen(raw, self._held, self._clock())
        gone = holder.is_gone(self._held.holder)
        match choice(self._held, self._us, self._clock(), gone=gone):
            case "renew":
                self._keep(await self._cluster.replace(LEASE, self._renewed(raw)), began)
            case "take":
                self._keep(await self._cluster.replace(LEASE, self._taken(raw)), began)
            case "wait":
                self._renewed_at = None

    def _keep(self, raw: Raw, began: float) -> None:
        self._held = seen(raw, self._held, self._clock())
        self._renewed_at = began

    async def _release(self) -> None:
        """So that a successor need not wait. If it cannot be, the Lease runs out by itself."""
        if self._renewed_at is None:
            return
        self._renewed_at = None
        try:
            async with asyncio.timeout(2):
                raw = await self._cluster.get(LEASE, self._namespace, NAME)
                if Fields.of(raw).below("spec").text("holderIdentity") == self._us:
                    spec = {**raw["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                    await self._cluster.replace(LEASE, {**raw, "spec": spec})
                    log.info("lease.released", holder=self._us)
        except (ClusterError, Malformed, TimeoutError) as error:
            log.warning("lease.kept", because=str(error))

    def _new(self) -> Raw:
        metadata = {"name": NAME, "namespace": self._namespace}
        spec = {**self._spec(), "acquireTime": _now(), "leaseTransitions": 0}
        return {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec}

    def _renewed(self, raw: Raw) -> Raw:
        return {**raw, "spec": {**raw["spec"], **self._spec()}}

    def _taken(self, raw: Raw) -> Raw:
        spec = Fields.of(raw).below("spec")
        transitions = spec.number("leaseTransitions") + 1
        new = {**spec.raw, **self._spec(), "acquireTime": _now(), "leaseTransitions": transitions}
        return {**raw, "spec": new}

    def _spec(self) -> Raw:
        return {"holderIdentity": self._us, "leaseDurationSeconds": DURATION, "renewTime": _now()}


def _now() -> str:
    """For people who look at the Lease; nothing is decided by it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
