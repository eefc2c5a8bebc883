"""How the state of a rotation is shown, to people and to programs. Pure."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, assert_never

from rich.table import Table
from rich.text import Text

from cli.rotation.seen import Seen, sorted_
from cli.rotation.verdict import SHORT, Judged, Stage, Status


def as_json(seen: Seen, status: Status) -> dict[str, Any]:
    """For a program; times as RFC 3339, hashes whole."""
    return {
        "complete": status.complete,
        "stage": status.stage.value,
        "newestHeldByAll": status.everywhere,
        "newestAnchor": status.newest.sha256 if status.newest else None,
        "leavesBehind": status.leaves_behind,
        "issuersBehind": status.issuers_behind,
        "anchors": [
            {
                "sha256": one.sha256,
                "name": one.name,
                "notBefore": _time(one.begins),
                "notAfter": _time(one.ends),
            }
            for one in sorted_(frozenset(seen.anchors().values()))
        ],
        "processes": [_process(judged) for judged in status.processes],
        "configMaps": [
            {
                "context": place.context,
                "namespace": place.namespace,
                "bundle": place.bundle.digest if place.bundle else None,
                "anchors": sorted(place.fingerprints),
                "error": place.wrong,
            }
            for place in seen.places
        ],
        "issuers": [
            {"context": one.context, "namespace": one.namespace, "anchor": one.anchor, "error": one.wrong}
            for one in seen.issuers
        ],
        "wrong": list(status.wrong),
    }


def _process(judged: Judged) -> dict[str, Any]:
    one, held = judged.process, judged.process.held
    shown: dict[str, Any] = {"context": one.context, "namespace": one.namespace, "name": one.name}
    if held is not None:
        shown |= {
            "identities": sorted(held.identities),
            "bundles": sorted(held.bundles),
            "anchors": [anchor.sha256 for anchor in sorted_(held.anchors)],
            "leafAnchors": sorted(held.leaf_anchors),
            "leafNotAfter": _time(held.leaf_ends) if held.leaf_ends else None,
            "issuerAnchors": sorted(held.issuer_anchors),
        }
    return shown | {"answers": held is not None, "ok": not judged.wrong, "wrong": list(judged.wrong)}


def table(status: Status) -> Table:
    """A row for each process."""
    made = Table(box=None, pad_edge=False, header_style="")
    for heading in (
        "CONTEXT",
        "PROCESS",
        "IDENTITY",
        "BUNDLE",
        "ANCHORS",
        "LEAF UNDER",
        "LEAF ENDS (UTC)",
        "STATE",
    ):
        made.add_column(heading, overflow="fold")
    for judged in status.processes:
        made.add_row(*_cells(judged))
    return made


def _cells(judged: Judged) -> Iterator[Text]:
    one, held = judged.process, judged.process.held
    yield Text(one.context or "-")
    yield Text(f"{one.namespace}/{one.name}" if one.namespace else one.name)
    if held is None:
        yield from (Text("?") for _ in range(5))
    else:
        yield Text(", ".join(".".join(name.split(".")[:2]) for name in sorted(held.identities)))
        yield _short(held.bundles)
        yield _short(anchor.sha256 for anchor in sorted_(held.anchors))
        yield _short(held.leaf_anchors)
        yield Text(f"{held.leaf_ends:%Y-%m-%d %H:%M}" if held.leaf_ends else "-")
    yield Text("\n".join(judged.wrong) or "ok", "red" if judged.wrong else "green")


def lines(seen: Seen, status: Status) -> Iterator[Text]:
    """What stands below the table: the places and issuers, the anchors by name, and what is wrong."""
    for place in seen.places:
        held = place.bundle
        digest = f"bundle {held.digest[:SHORT]}" if held else "no bundle"
        yield Text(f"{place}: {digest}, anchors {_short(sorted(place.fingerprints))}")
    for issuer in seen.issuers:
        yield Text(f"{issuer}: under {issuer.anchor[:SHORT] or 'none'}")
    for anchor in sorted_(frozenset(seen.anchors().values())):
        newest = ", the newest" if anchor == status.newest else ""
        name = f"{anchor.name}, " if anchor.name else ""
        span = f"made {_day(anchor.begins)}, ends {_day(anchor.ends)}"
        yield Text(f"anchor {anchor.sha256[:SHORT]}: {name}{span}{newest}")
    yield from (Text(f"✗ {sentence}", "red") for sentence in status.wrong)


def verdict(status: Status, command: Callable[[str], str]) -> str:
    """Where the rotation stands and what is to be done next; *command* spells a step of it for a shell."""
    match status.stage:
        case Stage.SPREADING:
            return "Not all hold the newest anchor, or not all were seen: no leaf may be under it alone yet."
        case Stage.REISSUING:
            behind = " and ".join(_counted(status))
            return (
                f"All hold the newest anchor: now leaves and issuers under it. {behind} still under an older "
                "one, which must stay until then."
            )
        case Stage.SETTLING:
            return "Every leaf is under the newest anchor, but not all hold the same anchors yet: look again."
        case Stage.READY:
            step = command(f"finish --old-anchor {status.older[0][:SHORT]}")
            return f"Ready to finish, nobody needs an older anchor:  {step}"
        case Stage.SINGLE:
            return "All hold one trust anchor, and every leaf is under it: no rotation is under way."
        case _:
            assert_never(status.stage)


def _counted(status: Status) -> Iterator[str]:
    """How many leaves and issuers are behind, with the verb behind the last."""
    counts = [(status.leaves_behind, "leaf", "leaves"), (status.issuers_behind, "issuer", "issuers")]
    found = [(count, one if count == 1 else many) for count, one, many in counts if count]
    for number, (count, word) in enumerate(found, 1):
        verb = "" if number < len(found) else " is" if count == 1 and len(found) == 1 else " are"
        yield f"{count} {word}{verb}"


def _short(hashes: Iterable[str]) -> Text:
    return Text(", ".join(one[:SHORT] or "none" for one in hashes))


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"
