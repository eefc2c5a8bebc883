"""What follows from what was seen: how far a rotation is, and who still needs the old anchor. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from cli.rotation.seen import Anchor, Issuer, Place, Process, Seen, sorted_

SHORT = 12
"""Digits of a fingerprint for people."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A process and what keeps it from being done; nothing if it is."""

    process: Process
    wrong: tuple[str, ...]


class Stage(StrEnum):
    """Where a rotation stands."""

    SPREADING = "spreading"
    """Not everybody holds the newest anchor, or was seen."""
    REISSUING = "reissuing"
    """Everybody holds it, and a leaf or an issuer is under an older one."""
    SETTLING = "settling"
    """All leaves and issuers are under it; what is held is not everywhere the same, or not known."""
    READY = "ready"
    """The older anchors may go."""
    SINGLE = "single"
    """There is one anchor, and all are under it: no rotation is under way."""


@dataclass(frozen=True, slots=True)
class Status:
    """How far a rotation is. It is complete if nothing is wrong: then the old anchor may go."""

    newest: Anchor | None
    """The anchor that was made last, of all that anybody holds."""
    processes: tuple[Judged, ...]
    wrong: tuple[str, ...]
    """What is not a single process's, and what they have not in common."""
    everywhere: bool
    """Whether everybody was seen and holds the newest anchor: then leaves may be made under it."""
    older: tuple[str, ...] = ()
    """The fingerprints of all other anchors that anybody holds."""
    leaves_behind: int = 0
    """Processes with a leaf that is not under the newest anchor."""
    issuers_behind: int = 0
    """Issuers that are not: in Secrets, and in use."""

    @property
    def complete(self) -> bool:
        return not self.wrong and not any(one.wrong for one in self.processes)

    @property
    def stage(self) -> Stage:
        if self.complete:
            return Stage.READY if self.older else Stage.SINGLE
        if not self.everywhere:
            return Stage.SPREADING
        return Stage.REISSUING if self.leaves_behind or self.issuers_behind else Stage.SETTLING


def status(seen: Seen) -> Status:
    """
    How far it is.

    Complete is: everybody was seen, all hold one and the same bundle, and all leaves and issuers are under
    the anchor in it that was made last.
    """
    ordered = sorted_(frozenset(seen.anchors().values()))
    newest = ordered[0] if ordered else None
    expected = newest.sha256 if newest is not None else ""
    judged = tuple(Judged(one, tuple(_behind(one, expected, seen.places))) for one in seen.processes)
    holding = [one.held is not None and expected in one.held.fingerprints for one in seen.processes]
    holding += [expected in place.fingerprints for place in seen.places]
    settled = not any(one.held and len(one.held.bundles) > 1 for one in seen.processes)
    everywhere = all(holding) and settled and not list(_unseen(seen))
    told = [one.held for one in seen.processes if one.held]
    return Status(
        newest,
        judged,
        tuple(_wrong_in_all(seen, expected)),
        everywhere,
        older=tuple(one.sha256 for one in ordered[1:]),
        leaves_behind=sum(held.leaf_anchors != {expected} for held in told),
        issuers_behind=sum(bool(held.issuer_anchors - {expected}) for held in told)
        + sum(one.anchor != expected for one in seen.issuers),
    )


def _behind(process: Process, newest: str, places: Iterable[Place]) -> Iterator[str]:
    held = process.held
    if held is None:
        yield f"does not answer: {process.silent}"
        return
    told = _told(process, places)
    if len(held.bundles) > 1:
        yield "not taken over by all of its workers yet"
    elif told and not held.bundles & told:
        yield "not taken over yet: it uses another bundle than it has been given"
    if newest not in held.fingerprints:
        yield "it does not hold the newest anchor"
    if "" in held.leaf_anchors:
        yield "none of its anchors vouches for its own leaf"
    elif held.leaf_anchors != {newest}:
        yield "its leaf is under an older anchor"
    if held.issuer_anchors and held.issuer_anchors != {newest}:
        yield "it issues under an older anchor"


def _told(process: Process, places: Iterable[Place]) -> frozenset[str]:
    """The digests of what *process* has been given: in its namespace, else anywhere in its cluster."""
    there = [place for place in places if place.context == process.context and place.bundle]
    near = [place for place in there if place.namespace == process.namespace]
    return frozenset(place.bundle.digest for place in near or there if place.bundle)


def _wrong_in_all(seen: Seen, newest: str) -> Iterator[str]:
    yield from _unseen(seen)
    for place in seen.places:
        if place.bundle is None:
            yield f"{place} is no bundle: {place.wrong}"
    for issuer in seen.issuers:
        if issuer.wrong:
            yield f"{issuer}: {issuer.wrong}"
        elif issuer.anchor != newest:
            yield (
                f"{issuer} is under an older anchor"
                if issuer.anchor
                else f"{issuer} is under none of the anchors"
            )
    digests = {place.bundle.digest for place in seen.places if place.bundle}
    digests |= {digest for one in seen.processes if one.held for digest in one.held.bundles}
    if len(digests) > 1:
        named = ", ".join(digest[:SHORT] for digest in sorted(digests))
        yield f"there are {len(digests)} different bundles: {named}"


def _unseen(seen: Seen) -> Iterator[str]:
    for one in seen.unread:
        yield one.why
    told = {one.context for one in seen.unread} | {one.context for one in seen.processes}
    for context in seen.contexts:
        if context not in told:
            yield f"{context}: no process of jackstay was found there"
    if not seen.processes:
        yield "no process was seen"


def needing(old: str, seen: Seen) -> list[str]:
    """Whoever would be lost without the anchor *old*, or might be, each in a sentence; [] if nobody is."""
    return list(_needing(old, seen))


def _needing(old: str, seen: Seen) -> Iterator[str]:
    yield from _unseen(seen)
    needed = _needed_beside(old, seen)
    if not needed:
        yield "nobody holds another anchor: without this one nobody would be believed"
    for process in seen.processes:
        for sentence in _process_needs(old, process, needed):
            yield f"{process} {sentence}"
    for place in seen.places:
        if place.bundle is None:
            yield f"{place} is no bundle: {place.wrong}"
        elif missing := needed - place.fingerprints:
            yield f"{place} does not hold {_named(missing)}"
    for issuer in seen.issuers:
        if sentence := _issuer_needs(old, issuer):
            yield f"{issuer} {sentence}"


def _needed_beside(old: str, seen: Seen) -> frozenset[str]:
    """What everybody must hold when *old* is gone: the newest anchor, and those above leaves and issuers."""
    others = [anchor for anchor in seen.anchors().values() if anchor.sha256 != old]
    newest = [one.sha256 for one in sorted_(frozenset(others))[:1]]
    told = [one.held for one in seen.processes if one.held]
    above = {anchor for held in told for anchor in held.leaf_anchors | held.issuer_anchors}
    above |= {issuer.anchor for issuer in seen.issuers}
    return frozenset({*newest, *above} - {old, ""})


def _process_needs(old: str, process: Process, needed: frozenset[str]) -> Iterator[str]:
    held = process.held
    if held is None:
        yield f"does not answer: {process.silent}"
        return
    if len(held.bundles) > 1:
        yield "has not taken its bundle over in all of its workers yet"
    if missing := needed - held.fingerprints:
        yield f"does not hold {_named(missing)} yet"
    if old in held.leaf_anchors:
        yield "has a leaf under the old anchor"
    if "" in held.leaf_anchors:
        yield "has a leaf for which none of its anchors vouches"
    if old in held.issuer_anchors or "" in held.issuer_anchors:
        yield (
            "issues under the old anchor"
            if old in held.issuer_anchors
            else "issues under none of its anchors"
        )


def _issuer_needs(old: str, issuer: Issuer) -> str:
    if issuer.wrong:
        return f"cannot be judged: {issuer.wrong}"
    if issuer.anchor == old:
        return "is under the old anchor"
    return "" if issuer.anchor else "is under none of the anchors that were seen"


def still_holding(old: str, seen: Seen) -> list[str]:
    """Who still believes whom *old* vouches for."""
    places = [str(place) for place in seen.places if old in place.fingerprints]
    return places + [str(one) for one in seen.processes if one.held and old in one.held.fingerprints]


def _named(fingerprints: Iterable[str]) -> str:
    return "anchor " + " and ".join(one[:SHORT] for one in sorted(fingerprints))
