"""
What an informer does next: list or watch, now or after a pause. One pure step.

    list ── complete ──> watch ── ended, not yet due ──> watch
      ^                    │
      └── 410, disordered, a listing is due ─────┘        a failure tries the same again, and
          or was asked for                                after three that brought nothing lists

A step that brought nothing makes the next pause longer, whatever kind it was: a server that lists
and then says 410 each time, or ends each watch at once, is asked ever more seldom. While it is away
pauses stay short, and so does the one after its first answer: we are to be back soon after it is.
"""

from dataclasses import dataclass
from enum import Enum, auto

from process.backoff import Backoff

IN_VAIN = 3
"""After so many failures of a watch in a row a listing is the surer way to know what is there."""


class Ending(Enum):
    """How a step ended."""

    LISTED = auto()
    """The listing is complete."""

    ENDED = auto()
    """The watch ended as it should, between two events."""

    RECALLED = auto()
    """We ended the watch ourselves, since a listing was asked for."""

    EXPIRED = auto()
    """The watch cannot go on from where we are."""

    FAILED = auto()
    """A wrong answer, or a refusal."""

    AWAY = auto()
    """No answer, or one that broke off."""


_BACKOFF = Backoff(first=0.5, most=30.0)


@dataclass(frozen=True, slots=True)
class Pace:
    """The times an informer keeps, in seconds."""

    relist: float = 600.0
    """After this long everything is listed anew, whatever the watch said."""

    watch_shortest: float = 240.0
    watch_longest: float = 300.0
    """A watch is asked to end after some time between the two, so that many do not end together."""

    overtime: float = 15.0
    """How much longer than asked a watch may take before it counts as dead."""

    silence: float = 150.0
    """How long a server that sends bookmarks (each minute) may say nothing."""

    settled: float = 5.0
    """A watch that lived this long may be opened again at once."""

    backoff: Backoff = _BACKOFF

    away: int = 4
    """After so many times pauses grow no more while a server is away: 4 s."""


@dataclass(frozen=True, slots=True)
class Course:
    """Where an informer is: what to do, and what it has been through."""

    listing: bool = True
    """True: list. False: watch."""

    fruitless: int = 0
    """Steps in a row that brought nothing."""

    waits: bool = False
    """Whether a pause comes first."""

    away: bool = False
    """Whether the server was not there in the last step."""

    def after(self, ending: Ending, *, lived: float, heard: bool, due: bool, pace: Pace) -> "Course":
        """
        The course once a step ended so, after *lived* seconds.

        *heard*: an event or bookmark came. *due*: it is time for a full listing.
        """
        if ending is Ending.LISTED:
            return Course(listing=False, fruitless=self.fruitless)
        if ending is Ending.RECALLED:
            return Course(listing=True, fruitless=self.fruitless)
        fruitful = heard or (not self.listing and lived >= pace.settled)
        fruitless = 0 if fruitful else self.fruitless + 1
        away = ending is Ending.AWAY
        if away or self.away:
            fruitless = min(fruitless, pace.away)
        failed = away or ending is Ending.FAILED
        in_vain = failed and fruitless >= IN_VAIN
        return Course(
            listing=self.listing or due or in_vain or ending is Ending.EXPIRED,
            fruitless=fruitless,
            waits=failed or lived < pace.settled,
            away=away,
        )

    def pause(self, pace: Pace, chance: float) -> float:
        """How long to wait before the step, in seconds."""
        return pace.backoff.delay(max(self.fruitless - 1, 0), chance) if self.waits else 0.0
