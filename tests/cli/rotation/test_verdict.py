"""How far a rotation is, and who still needs the old anchor: every situation that there may be."""

from dataclasses import dataclass, replace

import pytest

from certs import anchors
from cli.rotation import shown
from cli.rotation.seen import Held, Seen, Unread
from cli.rotation.verdict import Stage, needing, status, still_holding
from tests.cli.rotation.make import (
    BOTH,
    JUST_NEW,
    JUST_OLD,
    NEW,
    NEW_FP,
    OLD,
    OLD_FP,
    THIRD,
    THIRD_FP,
    held,
    place,
    process,
    secret,
    seen,
    silent,
)


@dataclass(frozen=True)
class Case:
    name: str
    seen: Seen
    wrong: tuple[str, ...]
    """What status says, a part of each sentence; () is complete."""
    needing: tuple[str, ...]
    """What keeps the old anchor, a part of each sentence; () lets it go."""


WORKERS_DIFFER = replace(
    process(BOTH, NEW_FP), held=replace(held(BOTH, NEW_FP), bundles=frozenset({"a", "b"}))
)
LEAVES_DIFFER = replace(
    process(BOTH, NEW_FP), held=replace(held(BOTH, NEW_FP), leaf_anchors=frozenset({OLD_FP, NEW_FP}))
)
FOREIGN = anchors.of((OLD, NEW, THIRD))

CASES = [
    Case(
        "before it begins",
        seen(process(JUST_OLD, OLD_FP), place(JUST_OLD), secret(OLD_FP)),
        (),
        ("nobody holds another anchor", "has a leaf under the old", "is under the old"),
    ),
    Case(
        "the ConfigMap has both, the process not yet",
        seen(process(JUST_OLD, OLD_FP), place(BOTH)),
        ("not taken over yet", "does not hold the newest", "leaf is under an older", "2 different bundles"),
        ("does not hold anchor", "has a leaf under the old"),
    ),
    Case(
        "all hold both, the leaves are old",
        seen(process(BOTH, OLD_FP), place(BOTH), secret(OLD_FP)),
        ("leaf is under an older anchor", "is under an older anchor"),
        ("has a leaf under the old anchor", "is under the old anchor"),
    ),
    Case(
        "one leaf is old",
        seen(process(BOTH, NEW_FP), process(BOTH, OLD_FP, name="gateway-1"), place(BOTH)),
        ("leaf is under an older anchor",),
        ("gateway-1 has a leaf under the old anchor",),
    ),
    Case(
        "only the issuer in the Secret is old",
        seen(process(BOTH, NEW_FP), place(BOTH), secret(OLD_FP)),
        ("Secret jackstay/jackstay-identity-issuer is under an older anchor",),
        ("Secret jackstay/jackstay-identity-issuer is under the old anchor",),
    ),
    Case(
        "the identity service still issues by the old one",
        seen(process(BOTH, NEW_FP, issuer=OLD_FP), place(BOTH), secret(NEW_FP)),
        ("it issues under an older anchor",),
        ("issues under the old anchor",),
    ),
    Case(
        "somebody does not answer",
        seen(process(BOTH, NEW_FP), silent(), place(BOTH)),
        ("does not answer: no answer within 5 s",),
        ("gateway-1 does not answer: no answer within 5 s",),
    ),
    Case(
        "workers are not of one mind",
        seen(WORKERS_DIFFER, place(BOTH)),
        ("not taken over by all of its workers", "different bundles"),
        ("has not taken its bundle over in all of its workers",),
    ),
    Case(
        "one worker's leaf is old",
        seen(LEAVES_DIFFER, place(BOTH)),
        ("leaf is under an older anchor",),
        ("has a leaf under the old anchor",),
    ),
    Case(
        "a leaf that nobody would take",
        seen(process(BOTH, ""), place(BOTH)),
        ("none of its anchors vouches for its own leaf",),
        ("for which none of its anchors vouches",),
    ),
    Case(
        "ready to finish",
        seen(process(BOTH, NEW_FP, issuer=NEW_FP), place(BOTH), secret(NEW_FP)),
        (),
        (),
    ),
    Case(
        "the old one is out of the ConfigMap, the process has not noticed",
        seen(process(BOTH, NEW_FP), place(JUST_NEW)),
        ("not taken over yet", "different bundles"),
        (),
    ),
    Case("finished", seen(process(JUST_NEW, NEW_FP), place(JUST_NEW), secret(NEW_FP)), (), ()),
    Case(
        "the other cluster has not begun",
        seen(
            process(BOTH, NEW_FP), place(BOTH),
            process(JUST_OLD, OLD_FP, context="west"), place(JUST_OLD, context="west"),
        ),
        ("does not hold the newest", "leaf is under an older", "different bundles"),
        ("west: jackstay/gateway-0 does not hold", "has a leaf under the old", "west: ConfigMap jackstay"),
    ),
    Case(
        "a ConfigMap of another namespace was forgotten",
        seen(process(BOTH, NEW_FP), place(BOTH), place(JUST_OLD, namespace="test")),
        ("different bundles",),
        ("ConfigMap test/jackstay-trust-bundle does not hold anchor",),
    ),
    Case(
        "a ConfigMap is broken",
        seen(process(BOTH, NEW_FP), place(BOTH), place(None, namespace="test")),
        ("test/jackstay-trust-bundle is no bundle: it is empty",),
        ("test/jackstay-trust-bundle is no bundle: it is empty",),
    ),
    Case(
        "a leaf under a third anchor that not all hold",
        seen(process(BOTH, NEW_FP), process(FOREIGN, THIRD_FP, name="web"), place(BOTH)),
        ("not taken over yet", "leaf is under an older", "different bundles"),
        ("gateway-0 does not hold anchor", "ConfigMap jackstay/jackstay-trust-bundle does not hold"),
    ),
    Case(
        "an issuer under a third anchor, of which leaves will be",
        seen(process(BOTH, NEW_FP), process(FOREIGN, NEW_FP, name="web"), secret(THIRD_FP)),
        ("is under an older anchor", "different bundles"),
        ("gateway-0 does not hold anchor",),
    ),
    Case(
        "the identity service issues by a third anchor",
        seen(process(BOTH, NEW_FP), process(FOREIGN, NEW_FP, name="identity", issuer=THIRD_FP)),
        ("it issues under an older anchor", "different bundles"),
        ("gateway-0 does not hold anchor",),
    ),
    Case(
        "the issuer cannot be read",
        seen(process(BOTH, NEW_FP), place(BOTH), secret("", wrong="it cannot be read: damaged")),
        ("it cannot be read: damaged",),
        ("cannot be judged: it cannot be read: damaged",),
    ),
    Case(
        "an issuer under nothing that is known",
        seen(process(BOTH, NEW_FP), place(BOTH), secret("")),
        ("is under none of the anchors",),
        ("is under none of the anchors",),
    ),
    Case(
        "no process is there",
        seen(place(BOTH)),
        ("east: no process of jackstay was found", "no process was seen"),
        ("east: no process of jackstay was found", "no process was seen"),
    ),
    Case(
        "nothing at all is in a cluster that was named",
        replace(seen(process(BOTH, NEW_FP), place(BOTH)), contexts=("east", "west")),
        ("west: no process of jackstay was found",),
        ("west: no process of jackstay was found",),
    ),
    Case(
        "a cluster does not answer",
        replace(seen(process(BOTH, NEW_FP), place(BOTH)), unread=(Unread("west", "west: nobody there"),)),
        ("west: nobody there",),
        ("west: nobody there",),
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_how_far_it_is(case: Case) -> None:
    found = status(case.seen)
    said = [sentence for judged in found.processes for sentence in judged.wrong] + list(found.wrong)
    assert_each(case.wrong, said)
    assert found.complete is (not case.wrong)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_who_still_needs_the_old_anchor(case: Case) -> None:
    assert_each(case.needing, needing(OLD_FP, case.seen))


def assert_each(parts: tuple[str, ...], said: list[str]) -> None:
    """As many sentences as *parts*, each with its own in it."""
    assert len(said) == len(parts), said
    for part, sentence in zip(parts, said, strict=True):
        assert part in sentence, said


def test_the_newest_is_the_one_that_was_made_last() -> None:
    found = status(seen(process(FOREIGN, NEW_FP), place(FOREIGN)))
    assert found.newest is not None
    assert (found.newest.sha256, found.newest.name) == (NEW_FP, NEW.subject.rfc4514_string())


def test_the_anchor_that_goes_may_be_the_newer_one() -> None:
    """A rotation that is taken back: whoever is under the other one is safe."""
    there = seen(process(BOTH, OLD_FP), place(BOTH), secret(OLD_FP))
    assert needing(NEW_FP, there) == []
    assert "has a leaf under the old anchor" in needing(OLD_FP, there)[0]


def test_who_holds_it_after_all_is_named() -> None:
    there = seen(process(BOTH, NEW_FP), process(JUST_NEW, NEW_FP, name="b"), place(JUST_NEW))
    assert still_holding(OLD_FP, there) == ["east: jackstay/gateway-0"]
    assert still_holding(OLD_FP, seen(place(BOTH))) == ["east: ConfigMap jackstay/jackstay-trust-bundle"]


def test_a_process_of_a_file_is_held_to_that_file() -> None:
    one = replace(process(JUST_OLD, OLD_FP, context=""), namespace="")
    given = replace(place(BOTH, context=""), namespace="")
    assert any("not taken over yet" in said for said in status(seen(one, given)).processes[0].wrong)


def test_nothing_is_known_of_a_process_without_metrics() -> None:
    assert not isinstance(silent().held, Held)
    assert not status(seen(silent())).complete


@pytest.mark.parametrize(
    ("there", "everywhere"),
    [
        (seen(process(BOTH, OLD_FP), place(BOTH)), True),
        (seen(process(BOTH, OLD_FP), process(JUST_OLD, OLD_FP, name="b"), place(BOTH)), False),
        (seen(process(BOTH, OLD_FP), place(BOTH), place(JUST_OLD, namespace="test")), False),
        (seen(process(BOTH, OLD_FP), silent(), place(BOTH)), False),
        (seen(WORKERS_DIFFER, place(BOTH)), False),
        (seen(place(BOTH)), False),
    ],
)
def test_leaves_may_be_made_under_the_newest_once_all_hold_it(there: Seen, everywhere: bool) -> None:
    assert status(there).everywhere is everywhere


@pytest.mark.parametrize(
    ("there", "stage", "said"),
    [
        (seen(process(JUST_OLD, OLD_FP), place(JUST_OLD)), Stage.SINGLE, "no rotation is under way"),
        (seen(process(JUST_OLD, OLD_FP), place(BOTH)), Stage.SPREADING, "Not all hold the newest"),
        (seen(process(BOTH, NEW_FP), silent()), Stage.SPREADING, "not all were seen"),
        (
            seen(process(BOTH, OLD_FP), process(BOTH, OLD_FP, name="b"), process(BOTH, NEW_FP, name="c")),
            Stage.REISSUING,
            "under it. 2 leaves are still under an older one",
        ),
        (seen(process(BOTH, NEW_FP), secret(OLD_FP)), Stage.REISSUING, "it. 1 issuer is still under"),
        (
            seen(process(BOTH, OLD_FP, issuer=OLD_FP), secret(OLD_FP)),
            Stage.REISSUING,
            "it. 1 leaf and 2 issuers are still under",
        ),
        (seen(process(BOTH, NEW_FP), place(JUST_NEW)), Stage.SETTLING, "not all hold the same"),
        pytest.param(
            seen(process(BOTH, NEW_FP, issuer=NEW_FP), place(BOTH), secret(NEW_FP)),
            Stage.READY,
            f"certs rotate finish --old-anchor {OLD_FP[:12]}",
            id="ready",
        ),
        (seen(process(JUST_NEW, NEW_FP), place(JUST_NEW)), Stage.SINGLE, "no rotation is under way"),
        (seen(), Stage.SPREADING, "not all were seen"),
    ],
)
def test_where_it_stands_and_what_comes_next(there: Seen, stage: Stage, said: str) -> None:
    found = status(there)
    assert found.stage is stage
    assert said in shown.verdict(found, lambda step: f"certs rotate {step}")
    assert shown.as_json(there, found)["stage"] == stage.value
