"""What a body must be before it becomes an object. Pure."""

import copy

from cluster.kinds import Kind
from cluster.local.refusals import BadRequest, Conflict, Invalid, Mistake
from cluster.local.resources import Resource
from cluster.metadata import Key, Raw

CHANGED_MEANWHILE = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def own_copy(kind: Kind, body: object) -> Raw:
    """A copy of *body* that may be changed, of the right kind and with metadata. Raises BadRequest."""
    if not isinstance(body, dict):
        raise BadRequest("the body is not an object")
    named = body.get("kind", kind.kind)
    group = str(body.get("apiVersion", kind.api_version)).rpartition("/")[0]
    if named != kind.kind or group != kind.group:
        raise BadRequest(
            f"the object provided is a {body.get('apiVersion')} {named}, "
            f"where a {kind.api_version} {kind.kind} is expected"
        )
    metadata = body.get("metadata", {})
    if not isinstance(metadata, dict):
        raise BadRequest("metadata is not an object")
    rest = {name: value for name, value in body.items() if name not in ("apiVersion", "kind", "metadata")}
    item: Raw = copy.deepcopy(
        {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **rest}
    )
    for name in ("managedFields", "selfLink"):
        item["metadata"].pop(name, None)
    return item


def precondition(what: str, wanted: object, found: str) -> str:
    """Why a precondition does not hold."""
    return f"Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}"


def take_over(item: Raw, before: Raw, name: str) -> None:
    """Let *item* have under *name* what *before* has, and nothing if that has nothing."""
    item.pop(name, None)
    if name in before:
        item[name] = copy.deepcopy(before[name])


def substance(item: Raw) -> Raw:
    """What a generation counts the changes of."""
    return {name: value for name, value in item.items() if name not in ("metadata", "status")}


def match(resource: Resource, key: Key, given: Raw, before: Raw) -> None:
    """Complete the metadata *given* for an update of *before*. Raises BadRequest, Conflict, Invalid."""
    kind = resource.kind
    if given.get("name", key.name) != key.name:
        raise BadRequest(
            f"the name of the object ({given['name']}) does not match the name on the URL ({key.name})"
        )
    if (given.get("namespace") or key.namespace) != key.namespace:
        raise BadRequest("the namespace of the object does not match the namespace on the URL")
    given["name"] = key.name
    if key.namespace:
        given["namespace"] = key.namespace
    if given.get("uid") not in (None, "", before["metadata"]["uid"]):
        raise Conflict.named(kind, key.name, precondition("UID", given["uid"], before["metadata"]["uid"]))
    if not given.get("resourceVersion"):
        if resource.custom:
            missing = Mistake.invalid("metadata.resourceVersion", "", "must be specified for an update")
            raise Invalid.because(kind, key.name, [missing])
    elif given["resourceVersion"] != before["metadata"]["resourceVersion"]:
        raise Conflict.named(kind, key.name, CHANGED_MEANWHILE)
