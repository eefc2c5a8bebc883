"""Asking one address of a gateway, again and again, whether it lives."""

import asyncio
from collections.abc import Callable
from typing import NoReturn, Protocol

import structlog

from mirror.link import ProbeSpec
from mirror.liveness import Liveness
from process.address import Address

log = structlog.get_logger()


class ProbeFailed(Exception):
    """The gateway did not prove that it lives; the message says in a sentence why."""

    reason = "probe_failed"

    def __init__(self, message: str, *, why: str = "backend_unreachable") -> None:
        super().__init__(message)
        self.why = why
        """Of what sort it is, in one word of a closed list: the label of a metric."""


class Probe(Protocol):
    """One question to a gateway, over the door that applications use."""

    async def __call__(self, address: Address, identity: str, *, timeout: float) -> float:
        """Seconds to the answer of the gateway that proved to be *identity*. Raises ProbeFailed."""
        ...


async def keep_probing(
    probe: Probe,
    address: Address,
    identity: str,
    spec: ProbeSpec,
    *,
    told: Callable[[Liveness], None],
    before: Liveness,
) -> NoReturn:
    """Probe *address* each period, the first time at once; tell each new belief to *told*."""
    clock = asyncio.get_running_loop().time
    liveness, due = before, clock()
    while True:
        liveness = await _after_one(probe, address, identity, spec, liveness)
        told(liveness)
        # From one start to the next, so that a slow answer does not make the period longer.
        due = max(due + spec.period, clock())
        await asyncio.sleep(due - clock())


async def _after_one(
    probe: Probe, address: Address, identity: str, spec: ProbeSpec, liveness: Liveness
) -> Liveness:
    try:
        async with asyncio.timeout(spec.patience):
            seconds = await probe(address, identity, timeout=spec.patience)
    except TimeoutError:
        because, why = f"no answer within {spec.patience:g} s", "timeout"
    except ProbeFailed as failure:
        because, why = str(failure), failure.why
    else:
        return liveness.answered(seconds)
    if not liveness.failures:
        log.warning("probe.failed", address=str(address), because=because, reason=why)
    return liveness.failed(because, why=why, threshold=spec.threshold)
