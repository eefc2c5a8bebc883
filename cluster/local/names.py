"""What names, labels and annotations may look like, in the words of the real API server. Pure."""

import re
from collections.abc import Callable, Iterator
from typing import TypeGuard

from cluster.local.refusals import Mistake
from cluster.metadata import Raw

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
SUBDOMAIN = re.compile(rf"{LABEL.pattern}(\.{LABEL.pattern})*")
SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
MAX_ANNOTATIONS = 256 * 1024


def dns_label(name: str) -> str | None:
    """Why *name* is no DNS-1123 label, or None."""
    if len(name) > 63:
        return "must be no more than 63 characters"
    if not LABEL.fullmatch(name):
        return (
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
            "and must start and end with an alphanumeric character"
        )
    return None


def dns_subdomain(name: str) -> str | None:
    """Why *name* is no DNS-1123 subdomain, or None."""
    if len(name) > 253:
        return "must be no more than 253 characters"
    if not SUBDOMAIN.fullmatch(name):
        return (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
            "and must start and end with an alphanumeric character"
        )
    return None


def service_name(name: str) -> str | None:
    """Why *name* is no DNS-1035 label, or None."""
    if len(name) > 63:
        return "must be no more than 63 characters"
    if not SERVICE_NAME.fullmatch(name):
        return (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
            "alphabetic character, and end with an alphanumeric character"
        )
    return None


def label_key_mistake(key: str) -> str | None:
    """Why *key* is no key of a label or annotation, or None."""
    prefix, slash, name = key.rpartition("/")
    if slash and (wrong := dns_subdomain(prefix)):
        return f"prefix part {wrong}"
    if not QUALIFIED.fullmatch(name):
        return (
            "name part must consist of alphanumeric characters, '-', '_' or '.', must start and end with an "
            "alphanumeric character, and be no more than 63 characters"
        )
    return None


def label_value_mistake(value: str) -> str | None:
    """Why *value* is no value of a label, or None."""
    if value and not QUALIFIED.fullmatch(value):
        return (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
            "start and end with an alphanumeric character, and be no more than 63 characters"
        )
    return None


def metadata(item: Raw, name_rule: Callable[[str], str | None]) -> Iterator[Mistake]:
    """Mistakes in what every object has."""
    about = item["metadata"]
    name = about.get("name")
    if not isinstance(name, str) or not name:
        yield Mistake.missing("metadata.name", "name or generateName is required")
    elif wrong := name_rule(name):
        yield Mistake.invalid("metadata.name", name, wrong)
    yield from labels(about.get("labels"), "metadata.labels")
    yield from _annotations(about.get("annotations"))
    finalizers = about.get("finalizers") or []
    if not is_texts(finalizers):
        yield Mistake.invalid("metadata.finalizers", finalizers, "must be a list of strings")
    else:
        for finalizer in finalizers:
            if wrong := label_key_mistake(finalizer):
                yield Mistake.invalid("metadata.finalizers", finalizer, wrong)
    for at, owner in numbered(about.get("ownerReferences")):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not (isinstance(owner.get(field), str) and owner[field]):
                yield Mistake.missing(f"metadata.ownerReferences[{at}].{field}")


def labels(value: object, field: str) -> Iterator[Mistake]:
    """Mistakes in a map of labels, as also selectors are."""
    if value is None:
        return
    if not is_text_map(value):
        yield Mistake.invalid(field, value, "must be a map of strings to strings")
        return
    for key, text in value.items():
        if wrong := label_key_mistake(key):
            yield Mistake.invalid(field, key, wrong)
        if wrong := label_value_mistake(text):
            yield Mistake.invalid(field, text, wrong)


def _annotations(value: object) -> Iterator[Mistake]:
    field = "metadata.annotations"
    if value is None:
        return
    if not is_text_map(value):
        yield Mistake.invalid(field, value, "must be a map of strings to strings")
        return
    for key in value:
        if wrong := label_key_mistake(key.lower()):
            yield Mistake.invalid(field, key, wrong)
    if sum(len(key) + len(text.encode()) for key, text in value.items()) > MAX_ANNOTATIONS:
        yield Mistake(field, f"Too long: may not be more than {MAX_ANNOTATIONS} bytes", "FieldValueTooLong")


def is_text_map(value: object) -> TypeGuard[dict[str, str]]:
    return isinstance(value, dict) and all(
        isinstance(key, str) and isinstance(text, str) for key, text in value.items()
    )


def is_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def is_objects(value: object) -> TypeGuard[list[Raw]]:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def numbered(value: object) -> Iterator[tuple[int, Raw]]:
    """The objects of a list with their places; whatever else is in it has been reported elsewhere."""
    if isinstance(value, list):
        yield from ((at, item) for at, item in enumerate(value) if isinstance(item, dict))
