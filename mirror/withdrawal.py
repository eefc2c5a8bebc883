"""
When a withdrawn mirror may be deleted.

Deleting is what cannot be taken back, and an API server that has lost its data, or one that a wrong
address leads to, looks just like one from which everything was removed. So what is *seen* to be gone (a
deletion on a watch without a gap, or the Service itself, no longer exported) goes at once. What is merely
absent from a listing goes in small numbers, and never if nothing would be left; until a second listing,
of the same server and some time after the first, lacks it too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.objects import Key
from cluster.snapshot import older
from mirror import marks
from mirror.observed import Observed
from mirror.wanted import Desired

SECOND_LOOK = 30.0
"""Seconds that must lie between the two listings."""

WINDOW = 60.0
FEW = 5
SHARE = 5
"""In a window of a minute a fifth of the mirrors, or a few, may be deleted without a second look."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The listing that first lacked a Service."""

    at: float
    source: str


@dataclass(frozen=True, slots=True)
class Brake:
    """What we remember between one look and the next."""

    absent: Mapping[Key, Seen] = field(default_factory=dict)
    """Mirrors whose Service is absent from every listing since."""

    released: tuple[float, ...] = ()
    """When mirrors were deleted without a second look, within the window."""

    @property
    def looks_again_at(self) -> float | None:
        """From when on a new listing would settle something; None if nothing waits for one."""
        return min((seen.at + SECOND_LOOK for seen in self.absent.values()), default=None)


def release(brake: Brake, observed: Observed, desired: Desired, now: float) -> tuple[frozenset[Key], Brake]:
    """
    The withdrawn mirrors that may be deleted *now*, and the brake afterwards.

    There are none while it is not certain that what we do not see is not there.
    """
    if not observed.remote.unbroken:
        return frozenset(), brake
    trusted = {
        mirror: gone.remote for mirror, gone in desired.withdrawn.items() if not _is_newer(mirror, observed)
    }
    proven = {mirror for mirror, remote in trusted.items() if _is_proven(remote, observed)}
    absent = {
        mirror: brake.absent.get(mirror, Seen(observed.remote.listed_at, observed.remote.source))
        for mirror in sorted(trusted.keys() - proven)
    }
    absent = {mirror: _restarted(seen, observed) for mirror, seen in absent.items()}
    confirmed = {
        mirror for mirror, seen in absent.items() if observed.remote.listed_at - seen.at >= SECOND_LOOK
    }
    released = tuple(time for time in brake.released if now - time < WINDOW)
    waiting = sorted(absent.keys() - confirmed)
    allowed = waiting[: _allowance(observed, desired, len(released))]
    after = Brake(
        {
            mirror: seen
            for mirror, seen in absent.items()
            if mirror not in confirmed and mirror not in allowed
        },
        (*released, *(now for _ in allowed)),
    )
    return frozenset({*proven, *confirmed, *allowed}), after


def _is_newer(mirror: Key, observed: Observed) -> bool:
    """Whether *mirror* was made from a later state of the other cluster than the one we see."""
    service = observed.local.services.get(mirror)
    version = service.metadata.annotations.get(marks.REMOTE_VERSION, "") if service is not None else ""
    return older(observed.remote.version, version)


def _is_proven(remote: Key, observed: Observed) -> bool:
    return remote in observed.remote.services or remote in observed.remote.deleted


def _restarted(seen: Seen, observed: Observed) -> Seen:
    """*seen*, unless another server, or the same with other credentials, speaks now."""
    if seen.source == observed.remote.source:
        return seen
    return Seen(observed.remote.listed_at, observed.remote.source)


def _allowance(observed: Observed, desired: Desired, released: int) -> int:
    """How many more may be deleted in this window without a second look."""
    if not desired.mirrors:
        return 0
    mirrors = len(desired.mirrors.keys() & observed.local.services.keys()) + len(desired.withdrawn)
    return max(0, max(FEW, mirrors // SHARE) - released)
