"""Endpoints that no peer is led to are told of once, with the reason."""

from collections.abc import Iterable

from structlog.testing import capture_logs

from cluster.objects import Key
from mirror.exports import Refused
from mirror.refused_backends import RefusedBackends, count

WEB, PODINFO = Key("test", "web"), Key("test", "podinfo")


def told(looks: Iterable[Refused]) -> list[tuple[object, ...]]:
    refused = RefusedBackends(cluster="east")
    with capture_logs() as lines:
        for look in looks:
            refused.look(look)
    assert {line["cluster"] for line in lines} <= {"east"}
    names = ("log_level", "event", "service", "because", "addresses")
    return [tuple(line[name] for name in names if name in line) for line in lines]


def test_each_is_told_once_and_again_when_it_is_another() -> None:
    one, two = {WEB: {"a node": ("192.0.2.1",)}}, {WEB: {"a node": ("192.0.2.1", "192.0.2.2")}}
    event = ("warning", "backends.refused", "test/web", "a node")
    assert told([one, one, two, two]) == [(*event, ["192.0.2.1"]), (*event, ["192.0.2.1", "192.0.2.2"])]


def test_each_service_and_each_reason_has_its_line_and_its_end() -> None:
    both: Refused = {
        WEB: {"a node": ("192.0.2.1",), "loopback": ("127.0.0.1",)},
        PODINFO: {"a node": ("::2",)},
    }
    assert told([{}, both, {WEB: {"loopback": ("127.0.0.1",)}}]) == [
        ("warning", "backends.refused", "test/podinfo", "a node", ["::2"]),
        ("warning", "backends.refused", "test/web", "a node", ["192.0.2.1"]),
        ("warning", "backends.refused", "test/web", "loopback", ["127.0.0.1"]),
        ("info", "backends.refused_no_more", "test/podinfo", "a node"),
        ("info", "backends.refused_no_more", "test/web", "a node"),
    ]


def test_of_many_the_first_are_named_and_all_are_counted() -> None:
    many = tuple(f"192.0.2.{number}" for number in range(10, 100))
    with capture_logs() as lines:
        RefusedBackends().look({WEB: {"a node": many}})
    assert (lines[0]["count"], lines[0]["addresses"]) == (90, list(many[:5]))
    assert count({WEB: {"a node": many, "loopback": ("::1",)}, PODINFO: {"a node": ("::2",)}}) == 92
