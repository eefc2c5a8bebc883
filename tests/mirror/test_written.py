"""What we wrote stands in for what a watch does not show yet, and no longer."""

from collections.abc import Mapping
from dataclasses import replace

from cluster.metadata import Key
from cluster.objects import Service
from cluster.snapshot import Snapshot
from mirror.written import Written
from tests.mirror.make import service

KEY = Key("test", "podinfo")


def shown(*services: Service, version: str, listed_at: float) -> Snapshot[Service]:
    items: Mapping[Key, Service] = {found.metadata.key: found for found in services}
    return Snapshot(items, {}, {}, 1, version, listed_at, version, unbroken=True)


def test_what_we_wrote_is_there_before_it_is_shown() -> None:
    written: Written[Service] = Written()
    ours = service(version="20")
    written.put(ours, now=10.0)
    assert written.over(shown(version="19", listed_at=5.0)) == {KEY: ours}
    theirs = service(version="21")
    assert written.over(shown(theirs, version="21", listed_at=5.0)) == {KEY: theirs}


def test_what_we_removed_is_gone_before_that_is_shown() -> None:
    written: Written[Service] = Written()
    before = service()
    written.remove(before, now=10.0)
    assert written.over(shown(before, version="19", listed_at=5.0)) == {}
    another = replace(before, metadata=replace(before.metadata, uid="another"))
    assert written.over(shown(another, version="21", listed_at=5.0)) == {KEY: another}


def test_a_later_listing_is_right_whatever_its_version() -> None:
    """The API server was restored from a backup."""
    written: Written[Service] = Written()
    written.put(service(version="20"), now=10.0)
    assert written.over(shown(version="5", listed_at=11.0)) == {}
    before = service("web")
    written.remove(before, now=12.0)
    assert written.over(shown(before, version="5", listed_at=13.0)) == {before.metadata.key: before}
