"""An exported Service that lets nobody in by mistake is told of once."""

from structlog.testing import capture_logs

from mirror import marks
from mirror.shut_services import ShutServices
from tests.mirror.make import service

VALID = "web.test.serviceaccount.identity.jackstay.cluster.local"


def told(*looks: str | None) -> list[tuple[str, str]]:
    """The level and the event of each line, when the annotation becomes each of *looks* in turn."""
    shut = ShutServices()
    with capture_logs() as lines:
        for value in looks:
            annotations = {} if value is None else {marks.ALLOW_IDENTITIES: value}
            found = (service(annotations=annotations), service("web"))
            shut.look({one.metadata.key: one for one in found})
    assert {line["service"] for line in lines} <= {"test/podinfo"}
    return [(line["log_level"], line["event"]) for line in lines]


SHUT, OPEN = ("warning", "export.shut"), ("info", "export.open")


def test_each_mistake_is_told_once() -> None:
    assert told("web/test", "web/test", "web/ops", "web/ops") == [SHUT, SHUT]


def test_its_end_is_told_and_a_later_one_is_new() -> None:
    assert told("web/test", VALID, VALID, "web/test", None) == [SHUT, OPEN, SHUT, OPEN]


def test_where_there_is_no_mistake_nothing_is_told() -> None:
    assert told(None, VALID, "") == []
