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
from mirror.naming import mirror_key
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


ABSENT = "until a second listing lacks their services too"
UNFOLLOWED = "until the other cluster can be followed without a gap again"
NEWER = "until the other cluster shows a later state than the one mirrored (was it restored from a backup?)"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be done about the withdrawn mirrors now."""

    removable: frozenset[Key] = frozenset()
    withheld: Mapping[Key, str] = field(default_factory=dict)
    """Those that are to be deleted and may not be yet, and why."""


def judge(brake: Brake, observed: Observed, desired: Desired, now: float) -> tuple[Verdict, Brake]:
    """
    Which withdrawn mirrors may be deleted *now*, and the brake afterwards.

    There are none while it is not certain that what we do not see is not there. One whose Service is
    exported still, but cannot be mirrored as it is, is not to be deleted at all: it would come back with
    another address.
    """
    gone = {
        mirror: withdrawn.remote
        for mirror, withdrawn in desired.withdrawn.items()
        if not (withdrawn.has_service and _is_exported_still(mirror, withdrawn.remote, observed, desired))
    }
    if not observed.remote.unbroken:
        return Verdict(withheld={mirror: _unsettled(mirror, brake) for mirror in gone}), brake
    newer = {mirror for mirror in gone if _is_newer(mirror, observed)}
    trusted = {mirror: remote for mirror, remote in gone.items() if mirror not in newer}
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
    allowed = frozenset(waiting[: _allowance(observed, desired, len(released))] if waiting else ())
    held = {mirror: absent[mirror] for mirror in waiting if mirror not in allowed}
    withheld = {**dict.fromkeys(sorted(newer), NEWER), **dict.fromkeys(held, ABSENT)}
    verdict = Verdict(frozenset({*proven, *confirmed, *allowed}), withheld)
    return verdict, Brake(held, (*released, *(now for _ in allowed)))


def _is_exported_still(mirror: Key, remote: Key, observed: Observed, desired: Desired) -> bool:
    """Whether there would be a *mirror* under this very name, if there could be one."""
    return remote in desired.services and mirror == mirror_key(remote, observed.link.cluster)


def _unsettled(mirror: Key, brake: Brake) -> str:
    return ABSENT if mirror in brake.absent else UNFOLLOWED


def _is_newer(mirror: Key, observed: Observed) -> bool:
    """Whether *mirror* was made from a later state of this very cluster than the one we see."""
    service = observed.local.services.get(mirror)
    if service is None:
        return False
    annotations, now = service.metadata.annotations, observed.remote.cluster_uid
    if now and annotations.get(marks.REMOTE_UID, now) != now:
        return False  # versions of two clusters cannot be compared
    return older(observed.remote.version, annotations.get(marks.REMOTE_VERSION, ""))


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
