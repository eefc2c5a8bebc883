"""
Questions to the cluster about tokens: so many at once, so many that wait, and the rest is told to come back.

Whoever reaches the service can send tokens that are none, and each costs the API server a request. This
bounds what they all together can cost it, and us.
"""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds."""


class TokenRefused(Exception):
    """The cluster does not vouch for the token: it is forged, expired or for another audience."""


class ReviewFailed(Exception):
    """The cluster could not be asked about the token; to ask again may help."""


class Busy(ReviewFailed):
    """More wait for an answer of the cluster than may."""


class Account(NamedTuple):
    """A service account of the cluster, as the cluster itself names it."""

    namespace: str
    name: str
    uid: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class TokenReviewer(Protocol):
    """Whoever can say to which service account a token belongs."""

    async def review(self, token: str, audience: str) -> Account:
        """The account. Raises TokenRefused or ReviewFailed."""


class ReviewQueue:
    """A reviewer in front of *reviewer*, which asks it *at_once* questions at once while *waiting* wait."""

    def __init__(
        self,
        reviewer: TokenReviewer,
        registry: CollectorRegistry,
        *,
        at_once: int = 32,
        waiting: int = 2000,
        longest_wait: float = 8.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._reviewer = reviewer
        self._free = asyncio.Semaphore(at_once)
        self._most_waiting = waiting
        self._longest_wait = longest_wait
        self._clock = clock
        self._waiting = 0
        self._took = Histogram(
            "jackstay_identity_token_review_seconds",
            "How long the cluster took to answer about a token.",
            registry=registry,
            buckets=BUCKETS,
        )
        self._failures = Counter(
            "jackstay_identity_token_review_failures",
            "Questions about tokens without an answer, by reason; a refused token is an answer.",
            ["reason"],
            registry=registry,
        )
        waiting_now = Gauge(
            "jackstay_identity_token_reviews_waiting", "Requests that wait to be reviewed.", registry=registry
        )
        waiting_now.set_function(lambda: self._waiting)

    async def review(self, token: str, audience: str) -> Account:
        """The account of *token*. Raises TokenRefused, ReviewFailed, or Busy at once or after a while."""
        await self._turn()
        began = self._clock()
        try:
            return await self._reviewer.review(token, audience)
        except ReviewFailed:
            self._failures.labels("failed").inc()
            raise
        finally:
            self._took.observe(self._clock() - began)
            self._free.release()

    async def _turn(self) -> None:
        if self._waiting >= self._most_waiting:
            self._failures.labels("busy").inc()
            raise Busy(f"{self._waiting} other requests wait for the cluster's answer")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._longest_wait):
                await self._free.acquire()
        except TimeoutError as error:
            self._failures.labels("busy").inc()
            raise Busy(f"the cluster's turn did not come in {self._longest_wait:g} s") from error
        finally:
            self._waiting -= 1
