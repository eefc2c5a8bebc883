"""What one pass saw of everything, and what the next may take over from it. Pure."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from cluster.objects import Key
from mirror.observed import Observed
from mirror.plan import Action
from mirror.wanted import Desired


@dataclass(frozen=True, slots=True)
class Look:
    """What the last pass saw, and what it left to be done."""

    observed: Observed
    desired: Desired
    busy: frozenset[Key]
    """Mirrors for which something is, or may be, to be done."""

    withheld: Mapping[Key, str]
    """Mirrors that are not deleted yet, and why."""

    @property
    def mirrors(self) -> int:
        """How many there are."""
        here = self.observed.local.services.keys()
        return len(here & self.desired.mirrors.keys()) + len(here & self.desired.withdrawn.keys())


def due(before: Look | None, desired: Desired) -> Set[Key]:
    """The mirrors that were worked out anew, or for which there was something to do *before*."""
    if before is None or desired.touched is None:
        return desired.mirrors.keys()
    return desired.touched | before.busy


def first(actions: Sequence[Action], mirrors: int) -> list[Action]:
    """The actions of the first so many *mirrors*."""
    chosen = set(list(dict.fromkeys(action.mirror for action in actions))[:mirrors])
    return [action for action in actions if action.mirror in chosen]
