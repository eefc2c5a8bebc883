"""
When a certificate is asked for: pure functions of times and of chance, in seconds.

Renewal comes at 70 % of the life that is left, as with Linkerd's proxies, spread so that pods which were
started together do not come together for ever after. After a failure it is tried again after a pause that
grows, but that is never more than a small part of what is left: the nearer the end, the more often.
"""

from datetime import datetime

from process.backoff import Backoff

LEAST, MOST = 10.0, 24 * 3600.0
"""Between these lies a renewal, however short or long a certificate lives."""

_SHARE, _SPREAD = 0.65, 0.1
"""From 65 to 75 % of what is left."""

_FIRST, _LONGEST = 1.0, 300.0
_WITHOUT = 10.0
"""The longest pause of who has no certificate that is valid, and so can serve nobody."""

_TRIES = 20
"""Pauses of full length that fit into what is left."""

_SOON = 10.0


def when_to_renew(not_after: datetime, now: datetime, chance: float) -> float:
    """The time until a certificate that is valid until *not_after* is renewed; *chance* is from [0, 1)."""
    left = (not_after - now).total_seconds()
    return min(max(left * (_SHARE + _SPREAD * chance), LEAST), MOST)


def when_to_try_again(
    failures: int,
    not_after: datetime | None,
    now: datetime,
    chance: float,
    *,
    told: float | None = None,
) -> float:
    """
    The pause after *failures* in a row, 1 or more; *not_after* is the end of what is used meanwhile.

    *told* is the pause that the other side asks for: it is kept, and ours comes on top of it, since others
    were told the same. Nobody makes us wait longer than the longest pause of ours.
    """
    backoff = Backoff(first=_FIRST, most=_longest(not_after, now))
    return backoff.delay(failures - 1, chance) + min(max(told or 0.0, 0.0), _LONGEST)


def soon(chance: float) -> float:
    """The time until everybody's next renewal, when all have reason for one at the same moment."""
    return _SOON * chance


def _longest(not_after: datetime | None, now: datetime) -> float:
    left = (not_after - now).total_seconds() if not_after is not None else 0.0
    if left <= 0:
        return _WITHOUT
    return min(max(left / _TRIES, _FIRST), _LONGEST)
