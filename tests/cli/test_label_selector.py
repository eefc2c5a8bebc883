"""Selectors as people write them."""

from typing import Any

import pytest

from cli.label_selector import BadSelector, label_selector

EXPORTED = "mirror.linkerd.io/exported"


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("", {}),
        (f"{EXPORTED}=true", {"matchLabels": {EXPORTED: "true"}}),
        ("a==b, c = d", {"matchLabels": {"a": "b", "c": "d"}}),
        ("a=", {"matchLabels": {"a": ""}}),
        ("a!=b", {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}),
        ("a", {"matchExpressions": [{"key": "a", "operator": "Exists"}]}),
        ("!a", {"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}),
        (
            "tier in (web, api),x/y notin (z),a=b",
            {
                "matchLabels": {"a": "b"},
                "matchExpressions": [
                    {"key": "tier", "operator": "In", "values": ["web", "api"]},
                    {"key": "x/y", "operator": "NotIn", "values": ["z"]},
                ],
            },
        ),
    ],
)
def test_a_selector_is_read(text: str, selector: dict[str, Any]) -> None:
    assert label_selector(text) == selector


@pytest.mark.parametrize("text", ["=b", "a=b c", "a in b", "a in (b", "a~b", "a=-", "a=b,a=c", "!a=b=c"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadSelector):
        label_selector(text)
