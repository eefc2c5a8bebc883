"""Which labels a Link's selector chooses."""

from typing import Any

import pytest

from cluster.reading import Fields, Malformed
from mirror.selectors import NOTHING, Selector

LABELS = {"tier": "web", "env": "prod"}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("raw", "chooses"),
    [
        ({}, False),
        ({"matchLabels": {}}, False),
        ({"matchLabels": {"tier": "web"}}, True),
        ({"matchLabels": {"tier": "web", "env": "dev"}}, False),
        ({"matchLabels": {"absent": ""}}, False),
        (expression("tier", "In", "web", "api"), True),
        (expression("tier", "In", "api"), False),
        (expression("absent", "In", "x"), False),
        (expression("tier", "NotIn", "web"), False),
        (expression("absent", "NotIn", "x"), True),
        (expression("tier", "Exists"), True),
        (expression("absent", "Exists"), False),
        (expression("tier", "DoesNotExist"), False),
        (expression("absent", "DoesNotExist"), True),
        ({"matchLabels": {"env": "prod"}, **expression("tier", "In", "api")}, False),
    ],
)
def test_a_selector_chooses(raw: dict[str, Any], chooses: bool) -> None:
    assert Selector.read(Fields.of(raw)).chooses(LABELS) is chooses


@pytest.mark.parametrize(
    "raw",
    [
        expression("tier", "Matches", "x"),
        expression("tier", "In"),
        expression("tier", "Exists", "x"),
        expression("", "Exists"),
        {"matchLabels": {"tier": 1}},
        {"matchExpressions": {}},
    ],
)
def test_what_is_no_selector_is_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        Selector.read(Fields.of(raw))


def test_nothing_chooses_nothing() -> None:
    assert not NOTHING.chooses({})
