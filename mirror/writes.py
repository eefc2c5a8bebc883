"""What is written for one Link: what is answered and not shown yet, and what failed and comes up again."""

from collections.abc import Iterable, Mapping, Sequence, Set

import structlog

from cluster.errors import ClusterError
from cluster.metadata import Raw
from cluster.objects import Key
from mirror import setbacks
from mirror.execute import execute
from mirror.home import Seen
from mirror.look import first
from mirror.observed import Local
from mirror.plan import Action
from mirror.setbacks import Setbacks
from mirror.surroundings import Surroundings
from mirror.written import Overlay

log = structlog.get_logger()

A_PASS = 256
"""Mirrors that are written before everything is looked at anew."""

LINK_ITSELF = Key("", "")
"""Among the setbacks: that of the Link, which is no mirror."""


class Writes:
    """Those of the Link *link*, by mirror."""

    def __init__(self, link: str, around: Surroundings) -> None:
        self.setbacks: Setbacks = {}
        """Swapped whole; what could not be done, and when it is tried again."""

        self._link = link
        self._around = around
        self._overlay = Overlay()

    def local(self, seen: Seen) -> Local:
        """Our own cluster as it is shown, and as we have left it."""
        return self._overlay.local(seen)

    def held(self, now: float) -> frozenset[Key]:
        """What is not to be tried *now*, since it has failed not long ago."""
        return setbacks.holding(self.setbacks, now)

    def next_try(self, after: float) -> float | None:
        """When the first of what is held is due."""
        return setbacks.next_try(self.setbacks, after)

    @property
    def trouble(self) -> ClusterError | None:
        """Why the Link itself could not be written, if that is worth telling."""
        found = self.setbacks.get(LINK_ITSELF)
        return found.error if found is not None and found.worth_telling else None

    async def carry_out(
        self, cluster: str, actions: Sequence[Action], busy: Set[Key], others: Set[str], now: float
    ) -> bool:
        """
        Carry out what is due of *actions*; whether there was any of it.

        What is no longer *busy* is no setback any more. *cluster* is what the other one is called,
        *others* are the uids of the other Links.
        """
        involved = {LINK_ITSELF, *busy}
        self.setbacks = {key: setback for key, setback in self.setbacks.items() if key in involved}
        held = self.held(now)
        at_hand = first([action for action in actions if action.mirror not in held], A_PASS)
        if not at_hand:
            return False
        outcome = await execute(
            at_hand,
            self._around.home.cluster,
            may_write=self._around.may_write,
            wrote=lambda action, raw: self._wrote(cluster, action, raw),
            at_once=self._around.settings.writes_at_once,
            others=others,
        )
        for error in outcome.failed.values():
            self._around.metrics.failed(cluster, error.reason)
        self.settle(outcome.done, outcome.failed)
        return True

    def settle(self, done: Iterable[Key], failed: Mapping[Key, ClusterError]) -> None:
        """Remember how it went with what was *done* and what *failed*, and tell of the latter."""
        now, chance = self._around.clock(), self._around.chance()
        self.setbacks = setbacks.after(self.setbacks, done, failed, now=now, chance=chance)
        for key in failed:
            setback = self.setbacks[key]
            say = log.warning if setback.worth_telling else log.info
            what = "link.failed" if key == LINK_ITSELF else "mirror.failed"
            say(what, link=self._link, mirror=str(key), because=str(setback.error))

    def _wrote(self, cluster: str, action: Action, raw: Raw | None) -> None:
        self._overlay.wrote(action, raw, self._around.clock())
        self._around.metrics.wrote(cluster, type(action).__name__.lower(), action.kind.kind)
