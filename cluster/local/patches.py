"""
The three ways to patch an object. Pure: nothing that is passed in is changed.

- JSON merge patch, RFC 7386: maps are merged, null removes, everything else replaces.
- JSON patch, RFC 6902: a list of operations on paths.
- Strategic merge patch, Kubernetes' own: a merge patch in which some lists are merged too, item by
  item, by a key. Which lists and by which key is in the kind's row; directives in the patch
  (`$patch`, `$setElementOrder/…`, `$deleteFromPrimitiveList/…`, `$retainKeys`) say what to do else.
"""

import copy
from collections.abc import Mapping
from typing import Any

from cluster.local.refusals import BadRequest, Invalid

# Any: a patch is JSON of any form; what comes out is validated like every object.
MergeKeys = Mapping[str, str]
"""For lists that are merged: path without indices -> key of an item, or "" for a set of texts."""


def merge(target: Any, patch: Any) -> Any:
    """*target* after the JSON merge *patch*."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def json_patch(target: Any, operations: Any) -> Any:
    """*target* after the JSON patch *operations*, all or none. Raises Invalid or BadRequest."""
    if not isinstance(operations, list):
        raise BadRequest("a JSON patch is a list of operations")
    document = copy.deepcopy(target)
    for operation in operations:
        document = _operate(document, operation)
    return document


def _operate(document: Any, operation: Any) -> Any:
    match operation:
        case {"op": "add", "path": str(path), "value": value}:
            return _put(document, path, copy.deepcopy(value), insert=True)
        case {"op": "replace", "path": str(path), "value": value}:
            _find(document, path)
            return _put(document, path, copy.deepcopy(value), insert=False)
        case {"op": "remove", "path": str(path)}:
            return _remove(document, path)
        case {"op": "move", "from": str(source), "path": str(path)}:
            value = _find(document, source)
            return _put(_remove(document, source), path, value, insert=True)
        case {"op": "copy", "from": str(source), "path": str(path)}:
            return _put(document, path, copy.deepcopy(_find(document, source)), insert=True)
        case {"op": "test", "path": str(path), "value": value}:
            if _find(document, path) != value:
                raise Invalid(f"the server rejected our request: testing value {path} failed")
            return document
    raise BadRequest(f"not an operation of a JSON patch: {operation!r}")


def _steps(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise BadRequest(f"the path {path!r} of a JSON patch does not begin with a slash")
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def _find(document: Any, path: str) -> Any:
    for step in _steps(path):
        document = document[_place(document, step, path, new=False)]
    return document


def _put(document: Any, path: str, value: Any, *, insert: bool) -> Any:
    *above, last = _steps(path) or [""]
    if not path:
        return value
    parent = _find(document, "".join(f"/{_escaped(step)}" for step in above))
    place = _place(parent, last, path, new=insert)
    if insert and isinstance(parent, list):
        parent.insert(place, value)
    else:
        parent[place] = value
    return document


def _remove(document: Any, path: str) -> Any:
    if not path:
        raise BadRequest("a JSON patch cannot remove the whole object")
    *above, last = _steps(path)
    parent = _find(document, "".join(f"/{_escaped(step)}" for step in above))
    del parent[_place(parent, last, path, new=False)]
    return document


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def _place(parent: Any, step: str, path: str, *, new: bool) -> Any:
    """The key or index that *step* means in *parent*; one that is not there only if *new*."""
    if isinstance(parent, dict) and (new or step in parent):
        return step
    if isinstance(parent, list):
        if new and step == "-":
            return len(parent)
        if step.isascii() and step.isdigit() and int(step) < len(parent) + new:
            return int(step)
    raise Invalid(f"the server rejected our request: the path {path!r} of the JSON patch is not there")


def strategic(target: Any, patch: Any, keys: MergeKeys) -> Any:
    """*target* after the strategic merge *patch*; *keys* says which lists are merged. Raises BadRequest."""
    if not isinstance(patch, dict):
        raise BadRequest("a strategic merge patch is an object")
    return _merge_map(target if isinstance(target, dict) else {}, patch, keys, "")


def _merge_map(target: Mapping[str, Any], patch: Mapping[str, Any], keys: MergeKeys, where: str) -> Any:
    directive = patch.get("$patch")
    if directive == "replace":
        return {name: copy.deepcopy(value) for name, value in patch.items() if name != "$patch"}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise BadRequest(f"unknown $patch directive {directive!r} at {where or 'the top'}")
    result = dict(target)
    if (retained := patch.get("$retainKeys")) is not None:
        result = {name: value for name, value in result.items() if name in retained}
    for name, value in patch.items():
        path = f"{where}.{name}" if where else name
        if name.startswith("$"):
            _direct(result, name, value, keys, where)
        elif value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            below = result.get(name)
            result[name] = _merge_map(below if isinstance(below, dict) else {}, value, keys, path)
        elif isinstance(value, list) and path in keys:
            result[name] = _merge_list(result.get(name) or [], value, keys, path)
        else:
            result[name] = _plain(value)
    for name, order in patch.items():
        if name.startswith("$setElementOrder/"):
            field = name.partition("/")[2]
            key = keys.get(f"{where}.{field}" if where else field)
            if key is not None and isinstance(result.get(field), list):
                result[field] = _ordered(result[field], order, key)
    return result


def _direct(result: dict[str, Any], name: str, value: Any, keys: MergeKeys, where: str) -> None:
    """A directive that takes something out of *result*; those with another time are passed over."""
    directive, _, field = name.partition("/")
    if directive == "$deleteFromPrimitiveList":
        result[field] = [item for item in result.get(field) or [] if item not in value]
    elif directive not in ("$patch", "$retainKeys", "$setElementOrder"):
        raise BadRequest(f"unknown directive {name!r} at {where or 'the top'}")


def _merge_list(target: list[Any], patch: list[Any], keys: MergeKeys, where: str) -> list[Any]:
    key = keys[where]
    if not key:
        return target + [item for item in patch if item not in target]
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [copy.deepcopy(item) for item in patch if not (isinstance(item, dict) and "$patch" in item)]
    result = list(target)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise BadRequest(f"an item in the patch of {where} has no {key!r}, by which it is merged")
        found = next((at for at, old in enumerate(result) if old.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            result = [old for old in result if old.get(key) != item[key]]
        elif found is None:
            result.append(_merge_map({}, item, keys, where))
        else:
            result[found] = _merge_map(result[found], item, keys, where)
    return result


def _ordered(items: list[Any], order: list[Any], key: str) -> list[Any]:
    """*items* in the *order* given; those it does not name keep their places among each other, behind."""
    wanted = [item.get(key) if key and isinstance(item, dict) else item for item in order]

    def place(item: Any) -> int:
        value = item.get(key) if key else item
        return wanted.index(value) if value in wanted else len(wanted)

    return sorted(items, key=place)


def _plain(value: Any) -> Any:
    """A copy without directives, which also appear inside lists that are replaced whole."""
    if isinstance(value, dict):
        return {name: _plain(below) for name, below in value.items() if not name.startswith("$")}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
