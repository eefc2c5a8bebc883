"""When a withdrawn mirror may be deleted."""

from dataclasses import replace
from typing import Any

from cluster.objects import Key
from mirror.observed import Local, Observed, Remote
from mirror.plan import plan
from mirror.wanted import wanted
from mirror.withdrawal import Brake, Seen, release
from tests.mirror.make import EMPTY, LINK, MIRROR, PODINFO, applied, observed, remote, service

NAMES = [f"service-{number:02}" for number in range(30)]


def mirrored(*names: str) -> Local:
    seen = observed(remote(*map(service, names)))
    return applied(EMPTY, plan(seen, wanted(seen)))


def released(seen: Observed, brake: Brake | None = None, now: float = 0.0) -> tuple[list[str], Brake]:
    """The names of what may be deleted, and the brake afterwards."""
    found, after = release(brake or Brake(), seen, wanted(seen), now)
    return sorted(key.name for key in found), after


def lacking(local: Local, *left: str, **more: Any) -> Observed:
    """*local*, while the other cluster's listing has nothing but *left*."""
    return observed(remote(*map(service, left), **more), local)


def test_what_was_seen_to_be_deleted_goes_at_once_be_it_all() -> None:
    seen = lacking(mirrored("podinfo"), deleted=frozenset({PODINFO}))
    assert released(seen) == (["podinfo-east"], Brake())


def test_what_is_there_and_no_longer_exported_goes_at_once_be_it_all() -> None:
    seen = observed(remote(service(exported=False)), mirrored("podinfo"))
    assert released(seen) == (["podinfo-east"], Brake())


def test_a_listing_that_lacks_everything_deletes_nothing() -> None:
    names, brake = released(lacking(mirrored(*NAMES)))
    assert names == []
    assert len(brake.absent) == 30
    assert brake.looks_again_at == 30.0


def test_a_second_listing_that_lacks_everything_too_deletes_it() -> None:
    local = mirrored(*NAMES)
    _, brake = released(lacking(local))
    assert len(released(lacking(local, listed_at=30.0), brake, 31.0)[0]) == 30


def test_a_second_listing_too_early_or_of_another_server_settles_nothing() -> None:
    local = mirrored(*NAMES)
    _, brake = released(lacking(local))
    assert released(lacking(local, listed_at=29.0), brake, 29.0)[0] == []
    names, brake = released(lacking(local, listed_at=40.0, source="server-2"), brake, 40.0)
    assert names == []
    assert brake.looks_again_at == 70.0


def test_what_comes_back_in_between_begins_anew() -> None:
    local = mirrored(*NAMES)
    _, brake = released(lacking(local))
    _, brake = released(lacking(local, *NAMES, listed_at=20.0), brake, 20.0)
    assert brake == Brake()
    assert released(lacking(local, listed_at=40.0), brake, 40.0)[0] == []


def test_a_few_that_a_listing_lacks_go_at_once() -> None:
    names, brake = released(lacking(mirrored(*NAMES), *NAMES[3:]))
    assert names == [f"{name}-east" for name in NAMES[:3]]
    assert brake.absent == {}
    assert len(brake.released) == 3


def test_in_one_minute_no_more_than_a_fifth_go() -> None:
    local = mirrored(*NAMES)
    names, brake = released(lacking(local, NAMES[-1]))
    assert len(names) == 6  # of 30
    left = replace(
        local, services={key: found for key, found in local.services.items() if key.name not in names}
    )
    gone = {key for key in local.services if key.name in names}
    left = replace(
        left,
        endpoints={key: found for key, found in local.endpoints.items() if key not in gone},
        slices={key: found for key, found in local.slices.items() if Key("test", found.service) not in gone},
    )
    assert released(lacking(left, NAMES[-1]), brake, 1.0)[0] == []
    assert len(released(lacking(left, NAMES[-1]), brake, 61.0)[0]) == 5


def test_nothing_goes_while_something_may_have_been_missed() -> None:
    seen = lacking(mirrored("podinfo"), deleted=frozenset({PODINFO}), unbroken=False)
    brake = Brake({MIRROR: Seen(0.0, "server-1")})
    assert released(seen, brake, 100.0) == ([], brake)


def test_nothing_goes_by_a_listing_older_than_the_mirror() -> None:
    seen = lacking(mirrored("podinfo"), deleted=frozenset({PODINFO}), version="6")
    assert released(seen)[0] == []


def test_nothing_goes_that_is_there_but_cannot_be_read() -> None:
    assert released(lacking(mirrored("podinfo"), unreadable=frozenset({PODINFO})))[0] == []


def test_nothing_goes_by_the_word_of_another_cluster() -> None:
    elsewhere: Remote = remote(cluster_uid="new", deleted=frozenset({PODINFO}))
    seen = observed(elsewhere, mirrored("podinfo"), link=replace(LINK, remote_uid="old"))
    assert released(seen)[0] == []


def test_what_is_still_exported_is_not_withdrawn() -> None:
    assert released(lacking(mirrored("podinfo"), "podinfo")) == ([], Brake())
