"""What a request carries: an object, or a patch. Pure: the bytes have been read."""

import json
from collections.abc import Callable
from typing import Any

import yaml

from cluster.local import patches, protobuf
from cluster.local.refusals import BadRequest, UnsupportedMediaType
from cluster.local.resources import Resource
from cluster.metadata import Raw

_PATCHES = {
    "application/merge-patch+json": "merge",
    "application/json-patch+json": "json",
    "application/strategic-merge-patch+json": "strategic",
}


def read_patch(data: bytes, content_type: str, resource: Resource) -> Callable[[Raw], Raw]:
    """The change that *data* describes. Raises UnsupportedMediaType, BadRequest."""
    if content_type.startswith("application/apply-patch"):
        raise UnsupportedMediaType(
            "server-side apply is not possible on jackstay's local cluster: leave out --server-side"
        )
    form = _PATCHES.get(content_type)
    if form is None or (form == "strategic" and resource.custom):
        usable = [name for name, form in _PATCHES.items() if form != "strategic" or not resource.custom]
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - "
            f"accepted media types include: {', '.join(usable)}"
        )
    patch = _parsed(data, "application/json")
    keys = resource.all_merge_keys
    if form == "json":
        return lambda before: patches.json_patch(before, patch)
    if not isinstance(patch, dict):
        raise BadRequest("the patch is not an object")
    if form == "merge":
        return lambda before: patches.merge(before, patch)
    return lambda before: patches.strategic(before, patch, keys)


def read_object(data: bytes, content_type: str) -> Raw:
    """The object that was sent. Raises BadRequest, UnsupportedMediaType."""
    body = _parsed(data, content_type)
    if not isinstance(body, dict):
        raise BadRequest("the body is not an object")
    return body


# Any: what a client sent; `Registry` and `patches` look at its form.
def _parsed(data: bytes, content_type: str) -> Any:
    if content_type == protobuf.MEDIA_TYPE:
        return protobuf.read(data)
    if content_type in ("application/yaml", "application/x-yaml"):
        try:
            return yaml.safe_load(data)
        except yaml.YAMLError as error:
            raise BadRequest(f"the body is not YAML: {error}") from error
    if content_type != "application/json":
        raise UnsupportedMediaType(
            f"{content_type} is not read here: send application/json or application/yaml"
        )
    try:
        return json.loads(data, parse_constant=_no_number)
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from error


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no JSON")
