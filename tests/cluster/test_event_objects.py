"""Events as values."""

from datetime import UTC, datetime

import pytest

from cluster.event_objects import LONGEST_MESSAGE, Event, Involved, shortened
from cluster.kinds import LINK, NODE, SERVICE_ACCOUNT
from cluster.metadata import Metadata
from cluster.reading import Malformed

WEB = Involved.of(SERVICE_ACCOUNT, "test", "web", "1234")
THEN, NOW = (datetime(2026, 7, 1, hour, 30, tzinfo=UTC) for hour in (8, 9))
EVENT = Event(
    Metadata("web.01", "test"), WEB, "Refused", "said why", "jackstay-x", THEN, NOW, count=3, warning=True
)


def test_an_event_is_written_and_read_back() -> None:
    raw = EVENT.to_dict()
    assert Event.from_dict(raw) == EVENT
    assert raw["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "namespace": "test",
        "name": "web",
        "uid": "1234",
    }
    assert (raw["type"], raw["count"], raw["source"]) == ("Warning", 3, {"component": "jackstay-x"})
    assert (raw["firstTimestamp"], raw["lastTimestamp"]) == ("2026-07-01T08:30:00Z", "2026-07-01T09:30:00Z")


def test_a_repetition_says_only_what_is_new() -> None:
    assert EVENT.repetition() == {"message": "said why", "count": 3, "lastTimestamp": "2026-07-01T09:30:00Z"}


def test_what_is_involved_may_be_of_any_kind() -> None:
    assert Involved.of(LINK, "jackstay", "east").api_version == "multicluster.linkerd.io/v1alpha3"
    assert "namespace" not in Involved.of(NODE, "", "node-1").to_dict()


def test_an_event_about_nothing_is_none() -> None:
    with pytest.raises(Malformed, match="involvedObject is missing"):
        Event.from_dict({"metadata": {"name": "web.01"}})


@pytest.mark.parametrize("text", ["a" * 1024, "a" * 1025, "é" * 513, "a" + "é" * 512, "", "short"])
def test_a_message_is_cut_to_what_is_taken(text: str) -> None:
    cut = shortened(text)
    assert len(cut.encode()) <= LONGEST_MESSAGE
    assert cut == text or (cut.endswith("…") and text.startswith(cut[:-1]) and len(cut) > 500)
