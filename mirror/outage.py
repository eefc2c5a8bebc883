"""A time in which the other cluster does not let itself be read. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime

from cluster.errors import ClusterError


@dataclass(frozen=True, slots=True)
class Outage:
    """An outage that has not ended."""

    began: float
    since: datetime
    because: ClusterError
    """What went wrong last."""

    def lasts(self, seconds: float, now: float) -> bool:
        return now - self.began >= seconds


def after(
    before: Outage | None, failure: ClusterError | None, *, complete: bool, now: float, time: datetime
) -> Outage | None:
    """
    The outage, if there is one *now*, which is *time* by the clock.

    *failure* is why nothing can be read; without one it is over once all has been read (*complete*).
    """
    if failure is None:
        return None if complete else before
    return replace(before, because=failure) if before is not None else Outage(now, time, failure)
