import copy
from dataclasses import dataclass
from typing import Any

import pytest

from cluster.local import patches
from cluster.local.refusals import BadRequest, Invalid


@dataclass(frozen=True)
class Case:
    name: str
    before: Any
    patch: Any
    after: Any


MERGE = [
    Case("a field is set", {"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
    Case("null removes", {"a": 1, "b": 2}, {"a": None}, {"b": 2}),
    Case("null of nothing", {"a": 1}, {"b": None}, {"a": 1}),
    Case("maps are merged", {"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": None}}, {"a": {"b": 3}}),
    Case("lists are replaced", {"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
    Case("a map replaces a text", {"a": "x"}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    Case("null in a new map is nothing", {}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
]


@pytest.mark.parametrize("case", MERGE, ids=lambda case: case.name)
def test_merge_patch(case: Case) -> None:
    before = copy.deepcopy(case.before)
    assert patches.merge(before, case.patch) == case.after
    assert before == case.before


def operation(op: str, path: str, **more: Any) -> dict[str, Any]:
    return {"op": op, "path": path, **more}


JSON = [
    Case("add to a map", {"a": {}}, [operation("add", "/a/b", value=1)], {"a": {"b": 1}}),
    Case("add in a list", {"a": [1, 3]}, [operation("add", "/a/1", value=2)], {"a": [1, 2, 3]}),
    Case("add at the end", {"a": [1]}, [operation("add", "/a/-", value=2)], {"a": [1, 2]}),
    Case("replace", {"a": [1, 2]}, [operation("replace", "/a/0", value=9)], {"a": [9, 2]}),
    Case("remove", {"a": {"b": 1, "c": 2}}, [operation("remove", "/a/b")], {"a": {"c": 2}}),
    Case("a slash in a key", {"a": {}}, [operation("add", "/a/x~1y~0z", value=1)], {"a": {"x/y~z": 1}}),
    Case("move", {"a": 1}, [{"op": "move", "from": "/a", "path": "/b"}], {"b": 1}),
    Case("copy", {"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": [1], "b": [1]}),
    Case("test, then go on", {"a": 1}, [operation("test", "/a", value=1)], {"a": 1}),
    Case("the whole", {"a": 1}, [operation("replace", "", value={"b": 1})], {"b": 1}),
]


@pytest.mark.parametrize("case", JSON, ids=lambda case: case.name)
def test_json_patch(case: Case) -> None:
    before = copy.deepcopy(case.before)
    assert patches.json_patch(before, case.patch) == case.after
    assert before == case.before


@pytest.mark.parametrize(
    "patch",
    [
        {"op": "add"},
        [operation("jump", "/a")],
        [operation("add", "/a")],
        [operation("remove", "")],
        [operation("remove", "/missing")],
        [operation("remove", "/list/7")],
        [operation("remove", "/list/-")],
        [operation("replace", "/missing", value=1)],
        [operation("add", "/text/below", value=1)],
        [operation("add", "no-slash", value=1)],
        [operation("test", "/text", value="other")],
        [operation("remove", "/text"), operation("test", "/list", value=[])],
    ],
    ids=repr,
)
def test_a_json_patch_that_cannot_be_done_changes_nothing(patch: Any) -> None:
    before = {"text": "x", "list": [1]}
    with pytest.raises((BadRequest, Invalid)):
        patches.json_patch(before, patch)
    assert before == {"text": "x", "list": [1]}


KEYS = {
    "spec.ports": "port",
    "metadata.finalizers": "",
    "spec.containers": "name",
    "spec.containers.env": "name",
}


def ports(*numbers: int, **more: Any) -> dict[str, Any]:
    return {"spec": {"ports": [{"port": number, **more} for number in numbers]}}


STRATEGIC = [
    Case(
        "an item is merged by its key",
        ports(80, 81, a=1),
        ports(81, a=2),
        {"spec": {"ports": [{"port": 80, "a": 1}, {"port": 81, "a": 2}]}},
    ),
    Case("an item is added", ports(80), ports(81), ports(80, 81)),
    Case(
        "an item is deleted",
        ports(80, 81),
        {"spec": {"ports": [{"port": 80, "$patch": "delete"}]}},
        ports(81),
    ),
    Case(
        "the order is set",
        ports(80, 81),
        {
            "spec": {
                "$setElementOrder/ports": [{"port": 82}, {"port": 81}, {"port": 80}],
                "ports": [{"port": 82}],
            }
        },
        ports(82, 81, 80),
    ),
    Case(
        "the order without items",
        ports(80, 81),
        {"spec": {"$setElementOrder/ports": [{"port": 81}, {"port": 80}]}},
        ports(81, 80),
    ),
    Case(
        "the list is replaced",
        ports(80, 81),
        {"spec": {"ports": [{"$patch": "replace"}, {"port": 82}]}},
        ports(82),
    ),
    Case(
        "the map is replaced",
        {"spec": {"a": 1, "b": 2}},
        {"spec": {"$patch": "replace", "c": 3}},
        {"spec": {"c": 3}},
    ),
    Case("the map is emptied", {"spec": {"a": 1}}, {"spec": {"$patch": "delete"}}, {"spec": {}}),
    Case("other lists are replaced", {"spec": {"x": [1, 2]}}, {"spec": {"x": [3]}}, {"spec": {"x": [3]}}),
    Case(
        "a set of texts grows",
        {"metadata": {"finalizers": ["a"]}},
        {"metadata": {"finalizers": ["b", "a"]}},
        {"metadata": {"finalizers": ["a", "b"]}},
    ),
    Case(
        "a set of texts shrinks",
        {"metadata": {"finalizers": ["a", "b"]}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}},
        {"metadata": {"finalizers": ["b"]}},
    ),
    Case(
        "some keys are kept",
        {"spec": {"a": 1, "b": 2}},
        {"spec": {"$retainKeys": ["b", "c"], "c": 3}},
        {"spec": {"b": 2, "c": 3}},
    ),
    Case("null removes", {"spec": {"a": 1}}, {"spec": {"a": None}}, {"spec": {}}),
    Case(
        "a list in an item of a list",
        {"spec": {"containers": [{"name": "c", "env": [{"name": "A", "value": "1"}]}]}},
        {"spec": {"containers": [{"name": "c", "env": [{"name": "B", "value": "2"}]}]}},
        {
            "spec": {
                "containers": [
                    {"name": "c", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
                ]
            }
        },
    ),
]


@pytest.mark.parametrize("case", STRATEGIC, ids=lambda case: case.name)
def test_strategic_merge_patch(case: Case) -> None:
    before = copy.deepcopy(case.before)
    assert patches.strategic(before, case.patch, KEYS) == case.after
    assert before == case.before


@pytest.mark.parametrize(
    "patch",
    [
        ["x"],
        {"spec": {"ports": [{"name": "no key"}]}},
        {"spec": {"ports": ["text"]}},
        {"spec": {"$patch": "mangle"}},
        {"spec": {"$unknown/x": []}},
    ],
    ids=repr,
)
def test_a_strategic_patch_that_makes_no_sense_is_refused(patch: Any) -> None:
    with pytest.raises(BadRequest):
        patches.strategic(ports(80), patch, KEYS)
