from typing import Any

import pytest

from cluster.kinds import CONFIG_MAP, SECRET
from cluster.local.paging import page
from cluster.local.refusals import BadRequest, Expired, NotFound
from cluster.local.store import Change, Store
from cluster.metadata import Key


def put(store: Store, name: str, value: Any = None) -> int:
    store.put(CONFIG_MAP, Key("test", name), {"metadata": {"name": name}, "data": value})
    return store.version


def remove(store: Store, name: str) -> int:
    store.remove(CONFIG_MAP, Key("test", name))
    return store.version


def names(store: Store, version: int) -> list[str]:
    return [key.name for key in sorted(store.at(CONFIG_MAP, version))]


def test_every_change_has_the_next_number_whatever_the_kind() -> None:
    store = Store()
    first = put(store, "a")
    store.put(SECRET, Key("test", "s"), {"metadata": {}})
    assert put(store, "a", 1) == first + 2
    assert store.get(CONFIG_MAP, Key("test", "a"))["metadata"]["resourceVersion"] == str(first + 2)


def test_what_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound, match='configmaps "a" not found'):
        Store().get(CONFIG_MAP, Key("test", "a"))


def test_the_changes_since_a_version_are_those_of_one_kind_in_order() -> None:
    store = Store()
    start = put(store, "a")
    store.put(SECRET, Key("test", "s"), {"metadata": {}})
    put(store, "b")
    remove(store, "a")
    found = store.since(CONFIG_MAP, start)
    assert [(change.key.name, change.after is None) for change in found] == [("b", False), ("a", True)]
    assert store.since(CONFIG_MAP, store.version) == []


@pytest.mark.parametrize("version", [0, 99])
def test_a_version_not_kept_or_not_yet_there_is_expired(version: int) -> None:
    with pytest.raises(Expired):
        Store().since(CONFIG_MAP, version)


def test_only_the_last_changes_of_each_kind_are_kept() -> None:
    store = Store(history=2)
    store.put(SECRET, Key("test", "s"), {"metadata": {}})
    versions = [put(store, "a", value) for value in range(4)]
    assert len(store.since(CONFIG_MAP, versions[1])) == 2
    with pytest.raises(Expired):
        store.since(CONFIG_MAP, versions[0])
    assert len(store.since(SECRET, 1)) == 1


def test_an_older_version_can_be_seen_again() -> None:
    store = Store()
    versions = [put(store, "a"), put(store, "b"), remove(store, "a"), put(store, "c")]
    assert [names(store, version) for version in versions] == [["a"], ["a", "b"], ["b"], ["b", "c"]]


def test_a_change_that_cannot_be_written_down_does_not_happen() -> None:
    def full(change: Change) -> None:
        raise OSError("no space left")

    store = Store(full)
    with pytest.raises(OSError, match="no space"):
        put(store, "a")
    assert store.version == 1
    assert not store.all(CONFIG_MAP)


def test_listeners_hear_of_every_change_until_they_leave() -> None:
    store, heard = Store(), list[int]()
    leave = store.listen(lambda: heard.append(store.version))
    first = put(store, "a")
    leave()
    put(store, "b")
    assert heard == [first]


def test_pages_fit_together_although_objects_come_and_go_between_them() -> None:
    store = Store()
    for name in "abcde":
        put(store, name)
    first = page(store, CONFIG_MAP, lambda key, item: True, limit=2)
    remove(store, "d")
    put(store, "cc")
    rest = page(store, CONFIG_MAP, lambda key, item: True, limit=0, more=first.more)
    assert [item["metadata"]["name"] for item in first.items + rest.items] == list("abcde")
    assert (first.remaining, rest.remaining, rest.more) == (3, 0, "")
    assert rest.version == first.version


def test_a_page_of_a_forgotten_version_is_expired() -> None:
    store = Store(history=1)
    for name in "abc":
        put(store, name)
    first = page(store, CONFIG_MAP, lambda key, item: True, limit=1)
    put(store, "d")
    put(store, "e")
    with pytest.raises(Expired):
        page(store, CONFIG_MAP, lambda key, item: True, limit=1, more=first.more)


@pytest.mark.parametrize("more", ["x", "bm9uc2Vuc2U=", "W10="])
def test_a_made_up_continuation_is_refused(more: str) -> None:
    with pytest.raises(BadRequest):
        page(Store(), CONFIG_MAP, lambda key, item: True, more=more)
