"""When a withdrawn mirror may be deleted."""

from dataclasses import replace
from typing import Any

import pytest

from cluster.objects import Key, Metadata
from mirror import marks
from mirror.observed import Local, Observed, Remote
from mirror.plan import plan
from mirror.wanted import wanted
from mirror.withdrawal import ABSENT, NEWER, UNFOLLOWED, Brake, Seen, judge
from tests.mirror.make import EMPTY, LINK, MIRROR, PODINFO, addresses, applied, observed, remote, service

NAMES = [f"service-{number:02}" for number in range(30)]


def mirrored(*names: str) -> Local:
    seen = observed(remote(*map(service, names)))
    return applied(EMPTY, plan(seen, wanted(seen)))


def released(seen: Observed, brake: Brake | None = None, now: float = 0.0) -> tuple[list[str], Brake]:
    """The names of what may be deleted, and the brake afterwards."""
    verdict, after = judge(brake or Brake(), seen, wanted(seen), now)
    return sorted(key.name for key in verdict.removable), after


def withheld(seen: Observed, brake: Brake | None = None) -> dict[str, str]:
    """Why what is kept is kept."""
    verdict, _ = judge(brake or Brake(), seen, wanted(seen), 0.0)
    return {key.name: why for key, why in verdict.withheld.items()}


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


def test_versions_of_another_cluster_say_nothing() -> None:
    """The Link was told that it leads to another one now: its uid on the Link is gone, or the new one."""
    made = observed(remote(service(), cluster_uid="old"))
    local = applied(EMPTY, plan(made, wanted(made)))
    assert withheld(lacking(local, version="6", cluster_uid="old")) == {"podinfo-east": NEWER}
    assert withheld(lacking(local, version="6", cluster_uid="new")) == {"podinfo-east": ABSENT}


def test_nothing_goes_that_is_there_but_cannot_be_read() -> None:
    assert released(lacking(mirrored("podinfo"), unreadable=frozenset({PODINFO})))[0] == []


def test_nothing_goes_by_the_word_of_another_cluster() -> None:
    elsewhere: Remote = remote(cluster_uid="new", deleted=frozenset({PODINFO}))
    seen = observed(elsewhere, mirrored("podinfo"), link=replace(LINK, remote_uid="old"))
    assert released(seen)[0] == []


def test_what_is_kept_says_why() -> None:
    local = mirrored("podinfo")
    assert withheld(lacking(local)) == {"podinfo-east": ABSENT}
    assert withheld(lacking(local, version="6")) == {"podinfo-east": NEWER}
    assert withheld(lacking(local, unbroken=False)) == {"podinfo-east": UNFOLLOWED}
    _, brake = released(lacking(local))
    assert withheld(lacking(local, unbroken=False), brake) == {"podinfo-east": ABSENT}
    assert withheld(lacking(local, deleted=frozenset({PODINFO}))) == {}


@pytest.mark.parametrize(
    "unfit",
    [
        {"type": "ExternalName", "external_name": "x.y"},
        {"ports": ()},
        {"labels": {marks.MIRRORED_SERVICE: "true"}},
    ],
)
def test_what_is_still_exported_but_cannot_be_mirrored_so_loses_no_address(unfit: dict[str, Any]) -> None:
    seen = observed(remote(service(**unfit)), mirrored("podinfo"))
    assert released(seen) == ([], Brake())
    assert withheld(seen) == {}
    left = applied(seen.local, plan(seen, wanted(seen)))
    assert MIRROR in left.services
    assert addresses(left) == ([], [])


def test_what_is_over_a_bound_that_was_lowered_loses_no_address() -> None:
    seen = replace(observed(remote(service("a"), service("b")), mirrored("a", "b")), most=1)
    assert released(seen) == ([], Brake())


def test_what_is_ours_beside_a_service_of_the_users_goes_at_once() -> None:
    local = mirrored("podinfo")
    theirs = replace(local.services[MIRROR], metadata=Metadata("podinfo-east", "test", "theirs", "9"))
    assert released(observed(remote(service()), replace(local, services={MIRROR: theirs})))[0] == [
        "podinfo-east"
    ]


def test_what_is_still_exported_is_not_withdrawn() -> None:
    assert released(lacking(mirrored("podinfo"), "podinfo")) == ([], Brake())
