"""
How often one account may ask: a token bucket each, forgotten when it is full again or too many are known.

    a bucket holds up to `burst`, gains `per_second`, and each request takes 1

The account is a verified one, so nobody spends another's share; and what is known is bounded, since
accounts come and go.
"""

import math
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

MOST_KNOWN = 10_000
"""Accounts that are remembered; of more, those that asked longest ago are forgotten."""

Account = TypeVar("Account", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Rate:
    """What each may take."""

    per_second: float
    burst: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was left at a moment, in seconds of any clock that does not go back."""

    left: float
    at: float


def take(bucket: Bucket | None, rate: Rate, now: float) -> tuple[Bucket, float]:
    """
    The bucket after a request at *now*, and how long to wait: 0 if the request may pass.

    None is a full bucket. Who has to wait has taken nothing.
    """
    left = rate.burst
    if bucket is not None:
        left = min(rate.burst, bucket.left + max(0.0, now - bucket.at) * rate.per_second)
    if left >= 1:
        return Bucket(left - 1, now), 0.0
    return Bucket(left, now), (1 - left) / rate.per_second


class RateLimit(Generic[Account]):
    """A bucket for each account that asked of late."""

    def __init__(self, rate: Rate, *, most_known: int = MOST_KNOWN) -> None:
        self._rate = rate
        self._most_known = most_known
        self._buckets: OrderedDict[Account, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, account: Account, now: float) -> int:
        """0 if *account* may pass at *now*, which counts; else the whole seconds after which it may."""
        bucket, seconds = take(self._buckets.pop(account, None), self._rate, now)
        self._buckets[account] = bucket
        while len(self._buckets) > self._most_known:
            self._buckets.popitem(last=False)
        return math.ceil(seconds)
