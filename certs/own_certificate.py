"""The identity service's own certificate, when nobody gives it one: issued by itself, in memory."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NoReturn

import structlog

from certs.authority import CannotIssue
from certs.credentials import Credentials
from certs.current_issuer import CurrentIssuer

log = structlog.get_logger()

SHARE = 0.7
"""The part of a certificate's remaining life after which there is to be a new one."""

Show = Callable[[Credentials], None]

SHORTEST, LONGEST = 10.0, 600.0
"""Seconds of one wait: the wall clock is asked again and again, since it may be set."""


def due_at(issued: datetime, not_after: datetime) -> datetime:
    """When a certificate that ends at *not_after*, made at *issued*, is to be replaced."""
    return issued + SHARE * (not_after - issued)


async def follow_issuer(
    issuer: CurrentIssuer,
    bell: asyncio.Event,
    show: Show,
    *,
    shortest: float = SHORTEST,
    longest: float = LONGEST,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> NoReturn:
    """
    *show* a new certificate of our own whenever *issuer* is another, as *bell* says, or ours is due.

    While nothing can be issued the last one stays. Until cancelled.
    """
    while True:
        bell.clear()
        due: datetime | None = None
        try:
            made = now()
            credentials = issuer.usable().own_credentials(made)
        except CannotIssue as error:
            log.warning("identity.own_certificate_kept", error=str(error))
        else:
            show(credentials)
            expires = credentials.not_after.isoformat()
            log.info("identity.own_certificate", identity=credentials.identity, expires=expires)
            due = due_at(made, credentials.not_after)
        await _rung_or_due(bell, due, (shortest, longest), now)


async def _rung_or_due(
    bell: asyncio.Event, due: datetime | None, waits: tuple[float, float], now: Callable[[], datetime]
) -> None:
    """Return once *bell* rings, or *due* has come, or without one after the longest of *waits*."""
    shortest, longest = waits
    while not bell.is_set():
        left = longest if due is None else (due - now()).total_seconds()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(longest, max(shortest, left))):
                await bell.wait()
        if due is None or now() >= due:
            return
