"""Tables of routes and targets: values that are found by their whole name and never change."""

from dataclasses import FrozenInstanceError

import pytest

from gateway.routes import NO_ROUTES, NO_TARGETS, Route, RouteTable, Target, TargetTable
from process.address import Address

PODINFO = Route("podinfo.test.svc.cluster.local", 9898, (Address("10.0.0.1", 80),))
REACHED = Target("podinfo.test.svc.cluster.local", 9898, (Address("10.0.0.9", 4143),), "gateway.test")
HERE = Address("127.0.0.1", 7001)


@pytest.mark.parametrize(
    ("service", "port"),
    [
        ("podinfo.test.svc.cluster.local", 80),
        ("podinfo.test.svc.cluster.local", 0),
        ("podinfo.test.svc", 9898),
        ("podinfo", 9898),
        ("Podinfo.test.svc.cluster.local", 9898),
        ("podinfo.test.svc.cluster.local.", 9898),
        ("api.test.svc.cluster.local", 9898),
        ("", 9898),
    ],
)
def test_a_route_is_found_by_its_whole_name_and_port_only(service: str, port: int) -> None:
    table = RouteTable.of([PODINFO])
    assert table.find(PODINFO.service, PODINFO.port) is PODINFO
    assert table.find(service, port) is None


@pytest.mark.parametrize(
    "address", [Address("127.0.0.1", 7002), Address("127.0.0.2", 7001), Address("", 7001)]
)
def test_a_target_is_found_by_its_whole_address_only(address: Address) -> None:
    table = TargetTable.of({HERE: REACHED})
    assert table.find(HERE) is REACHED
    assert table.find(address) is None


def test_of_two_routes_for_one_port_the_later_one_holds() -> None:
    later = Route(PODINFO.service, PODINFO.port, ())
    assert RouteTable.of([PODINFO, later]).find(PODINFO.service, PODINFO.port) is later


def test_tables_with_the_same_rows_are_equal() -> None:
    other = Route("api.test.svc.cluster.local", 80, ())
    assert RouteTable.of([PODINFO, other]) == RouteTable.of([other, PODINFO])
    assert RouteTable.of([PODINFO]) != RouteTable.of([other])
    assert TargetTable.of({HERE: REACHED}) == TargetTable.of({HERE: REACHED})
    assert TargetTable.of({HERE: REACHED}) != NO_TARGETS


def test_a_table_does_not_change_with_what_it_was_made_of() -> None:
    rows = {HERE: REACHED}
    table = TargetTable.of(rows)
    rows.clear()
    assert table.find(HERE) is REACHED
    with pytest.raises(TypeError):
        table.targets[HERE] = REACHED  # type: ignore[index]  # that is what is tried here
    with pytest.raises(TypeError):
        RouteTable.of([PODINFO]).routes["a", 1] = PODINFO  # type: ignore[index]  # and here
    with pytest.raises(FrozenInstanceError):
        PODINFO.allow = None  # type: ignore[misc]  # and here


def test_nothing_is_exported_or_offered_unless_said() -> None:
    assert not NO_ROUTES.routes
    assert not NO_TARGETS.targets
