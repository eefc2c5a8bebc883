from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.events import Applied, Bookmark, Deleted, Told
from cluster.metadata import Key, Raw
from cluster.objects import Service
from cluster.reading import Malformed
from cluster.snapshot import Disordered, Snapshot, after, listed, older
from tests.support.scripted_api import service

A, B = Key("test", "a"), Key("test", "b")
BAD = service("b", "2") | {"spec": {"ports": 80}}


def listing(*items: Raw, version: str = "5", known: Mapping[Key, Service] | None = None) -> Snapshot[Service]:
    said: dict[str, Any] = {
        "version": version,
        "at": 100.0,
        "listing": 1,
        "cluster_uid": "uid",
        "source": "east",
    }
    return listed(items, Service.from_dict, **said, known=known)


def told(snapshot: Snapshot[Service], *events: Told) -> Snapshot[Service]:
    return after(snapshot, events, Service.from_dict)


def applied(name: str, version: str) -> Applied:
    return Applied(service(name, version), version)


def gone(name: str, version: str) -> Deleted:
    return Deleted(service(name, version), version)


def test_a_listing_is_unbroken_and_knows_no_deletions() -> None:
    snapshot = listing(service("a", "1"))
    assert set(snapshot.items) == {A}
    assert (snapshot.version, snapshot.listed_version, snapshot.listed_at) == ("5", "5", 100.0)
    assert (snapshot.unbroken, snapshot.deleted, snapshot.unreadable) == (True, {}, {})


def test_what_a_later_listing_shows_unchanged_is_the_very_same_object() -> None:
    first = listing(service("a", "1"), service("b", "2"))
    second = listing(service("a", "1"), service("b", "3"), known=first.items)
    assert second.items[A] is first.items[A]
    assert second.items[B].metadata.resource_version == "3"
    without_b = listing(BAD, known=first.items)
    assert (set(without_b.items), set(without_b.unreadable)) == (set(), {B})


CASES = [
    ("added", [applied("b", "6")], {A, B}, {}),
    ("modified", [applied("a", "6")], {A}, {}),
    ("deleted", [gone("a", "6")], set(), {A: "6"}),
    ("deleted, never seen", [gone("b", "6")], {A}, {B: "6"}),
    ("deleted and back", [gone("a", "6"), applied("a", "7")], {A}, {}),
    ("added and gone", [applied("b", "6"), gone("b", "7")], {A}, {B: "7"}),
    ("told twice", [applied("b", "6"), applied("b", "6")], {A, B}, {}),
    ("deleted twice", [gone("a", "6"), gone("a", "6")], set(), {A: "6"}),
    ("nothing", [Bookmark("9")], {A}, {}),
]


@pytest.mark.parametrize(
    ("events", "keys", "deleted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_events_change_what_is_there(events: list[Told], keys: set[Key], deleted: dict[Key, str]) -> None:
    before = listing(service("a", "1"))
    snapshot = told(before, *events)
    assert set(snapshot.items) == keys
    assert snapshot.deleted == deleted
    assert snapshot.version == events[-1].version
    assert snapshot.listed_version == "5"
    assert set(before.items) == {A}


def test_going_on_after_a_break_makes_it_whole_again() -> None:
    broken = replace(listing(), unbroken=False)
    assert told(broken, Bookmark("6")).unbroken


def test_an_event_from_before_means_that_the_server_lost_its_past() -> None:
    snapshot = listing(version="100")
    with pytest.raises(Disordered, match="99 came after 100"):
        told(snapshot, applied("a", "99"))
    with pytest.raises(Disordered):
        told(snapshot, applied("a", "102"), Bookmark("101"))


def test_what_cannot_be_read_is_there_all_the_same() -> None:
    snapshot = listing(service("a", "1"), BAD)
    assert set(snapshot.items) == {A}
    assert snapshot.unreadable == {B: "spec.ports is not a list"}
    assert told(snapshot, applied("b", "6")).unreadable == {}
    worse = told(snapshot, Applied(BAD | {"metadata": {**BAD["metadata"], "name": "a"}}, "6"))
    assert set(worse.unreadable) == {A, B}
    assert worse.items == {}
    assert told(snapshot, gone("b", "6")).unreadable == {}


def test_what_has_no_name_makes_no_snapshot() -> None:
    with pytest.raises(Malformed, match=r"metadata.name is missing"):
        listing({"metadata": {}})
    with pytest.raises(Malformed):
        told(listing(), Applied({"metadata": {}}, "6"))


def test_a_snapshot_cannot_be_written() -> None:
    with pytest.raises(TypeError):
        listing().items[A] = listing(service("a", "1")).items[A]  # type: ignore[index]  # that is the point


@pytest.mark.parametrize(
    ("version", "than", "is_older"),
    [
        ("9", "10", True),
        ("10", "9", False),
        ("10", "10", False),
        ("99999999999999999999", "100000000000000000000", True),
        ("a", "b", False),
        ("", "1", False),
        ("²", "5", False),
    ],
)
def test_versions_are_compared_as_numbers_if_they_are(version: str, than: str, is_older: bool) -> None:
    assert older(version, than) is is_older


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=20), st.integers(1, 5))
def test_it_does_not_matter_in_which_batches_events_come(said: list[tuple[str, bool]], size: int) -> None:
    events: list[Told] = [
        applied(name, str(version)) if there else gone(name, str(version))
        for version, (name, there) in enumerate(said, start=6)
    ]
    in_batches = listing()
    for at in range(0, len(events), size):
        in_batches = told(in_batches, *events[at : at + size])
    assert in_batches == told(listing(), *events)
    last = {Key("test", name): there for name, there in said}
    assert set(in_batches.items) == {key for key, there in last.items() if there}
    assert set(in_batches.deleted) == {key for key, there in last.items() if not there}
