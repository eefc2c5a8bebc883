"""What differs between two mappings, and groups that keep up with one mapping after another."""

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cluster.changes import Groups, changes
from cluster.metadata import Key, Metadata
from cluster.objects import Service

KEYS = [Key("test", name) for name in "abcd"]


def service(key: Key, version: int, owner: str) -> Service:
    return Service(Metadata(key.name, key.namespace, resource_version=str(version), labels={"owner": owner}))


def owner(one: Service) -> Key:
    return Key("test", one.metadata.labels["owner"])


contents = st.dictionaries(st.sampled_from(KEYS), st.tuples(st.integers(0, 2), st.sampled_from("xy")))


def things(history: list[dict[Key, tuple[int, str]]]) -> list[Mapping[Key, Service]]:
    """One mapping after another, in which what is the same stays the same object."""
    known: dict[tuple[Key, int, str], Service] = {}
    return [
        {key: known.setdefault((key, *what), service(key, *what)) for key, what in found.items()}
        for found in history
    ]


@given(contents, contents)
def test_changes_are_what_is_not_the_very_same(
    first: dict[Key, tuple[int, str]], second: dict[Key, tuple[int, str]]
) -> None:
    before, after = things([first, second])
    assert changes(before, after) == {key for key in KEYS if before.get(key) is not after.get(key)}
    assert changes(after, before) == changes(before, after)


def test_an_equal_object_that_is_another_has_changed() -> None:
    one = service(KEYS[0], 1, "x")
    assert changes({KEYS[0]: one}, {KEYS[0]: replace(one)}) == {KEYS[0]}
    assert changes({KEYS[0]: one}, {KEYS[0]: one}) == frozenset()


@given(st.lists(contents, max_size=6))
def test_groups_are_what_they_would_be_if_they_were_made_anew(
    history: list[dict[Key, tuple[int, str]]],
) -> None:
    groups: Groups[Service] = Groups(owner)
    before: Mapping[Key, tuple[Service, ...]] = {}
    for items in things(history):
        touched = groups.take(items)
        expected: dict[Key, set[str]] = {}
        for one in items.values():
            expected.setdefault(owner(one), set()).add(one.metadata.name)
        now = groups.members
        assert {group: {one.metadata.name for one in there} for group, there in now.items()} == expected
        assert all(items[one.metadata.key] is one for there in now.values() for one in there)
        differing = {
            group
            for group in {*before, *now}
            if {*map(id, before.get(group, ()))} != {*map(id, now.get(group, ()))}
        }
        assert differing <= touched
        before = now
