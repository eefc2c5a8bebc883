"""Label and field selectors: which objects a list or a watch is about."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from cluster.local.names import label_key_mistake, label_value_mistake
from cluster.local.refusals import BadRequest
from cluster.metadata import Raw

Accepts = Callable[[Mapping[str, str]], bool]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one key of the labels."""

    key: str
    values: frozenset[str] | None
    """None: any value."""

    wanted: bool = True
    """Whether the value must be, or must not be, among *values*."""

    def accepts(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        among = value is not None and (self.values is None or value in self.values)
        return among == self.wanted


@dataclass(frozen=True, slots=True)
class Selector:
    """Labels and fields together; the empty one takes everything."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[tuple[tuple[str, ...], str, bool], ...] = ()
    """Path, value, and whether it must or must not be there."""

    def __bool__(self) -> bool:
        return bool(self.labels or self.fields)

    def accepts(self, item: Raw) -> bool:
        labels = item["metadata"].get("labels") or {}
        return all(requirement.accepts(labels) for requirement in self.labels) and all(
            (_at(item, path) == value) == wanted for path, value, wanted in self.fields
        )


EVERYTHING = Selector()


def parse(labels: str, fields: str, selectable: Iterable[str]) -> Selector:
    """
    Read `labelSelector` and `fieldSelector`; only *selectable* fields may be asked for.

    Raises BadRequest with what cannot be read.
    """
    known = {"metadata.name", "metadata.namespace", *selectable}
    return Selector(
        tuple(_label(term) for term in _terms(labels)),
        tuple(_field(term, known) for term in fields.split(",") if term.strip()),
    )


def _terms(text: str) -> list[str]:
    """Split at the commas that stand outside parentheses."""
    return [term.strip() for term in re.findall(r"(?:[^,(]|\([^)]*\))+", text) if term.strip()]


def _label(term: str) -> Requirement:
    if matched := _SET.fullmatch(term):
        key, negated, values = matched.groups()
        options = frozenset(value.strip() for value in values.split(","))
        return _checked(Requirement(key, options, wanted=not negated), term)
    if matched := _EQUAL.fullmatch(term):
        key, operator, value = matched.groups()
        return _checked(Requirement(key, frozenset([value]), wanted=operator != "!="), term)
    if matched := _EXISTS.fullmatch(term):
        negated, key = matched.groups()
        return _checked(Requirement(key, None, wanted=not negated), term)
    raise BadRequest(f"unable to parse requirement: {term!r} is no label selector")


_KEY = r"([A-Za-z0-9][-A-Za-z0-9_./]*)"
_SET = re.compile(_KEY + r"\s+(not)?in\s*\(([^)]*)\)")
_EQUAL = re.compile(_KEY + r"\s*(==|=|!=)\s*([-A-Za-z0-9_.]*)")
_EXISTS = re.compile(r"(!)?\s*" + _KEY)


def _checked(requirement: Requirement, term: str) -> Requirement:
    wrong = label_key_mistake(requirement.key) or next(
        filter(None, map(label_value_mistake, requirement.values or ())), None
    )
    if wrong:
        raise BadRequest(f"unable to parse requirement {term!r}: {wrong}")
    return requirement


def _field(term: str, known: set[str]) -> tuple[tuple[str, ...], str, bool]:
    matched = re.fullmatch(r"\s*([A-Za-z.]+)\s*(==|=|!=)\s*(.*?)\s*", term)
    if not matched:
        raise BadRequest(f"invalid field selector: {term!r}; write it as field=value")
    field, operator, value = matched.groups()
    if field not in known:
        raise BadRequest(f'field label not supported: "{field}"; known are {", ".join(sorted(known))}')
    return tuple(field.split(".")), value, operator != "!="


def _at(item: Raw, path: tuple[str, ...]) -> str:
    """The value as text; "" where there is none."""
    value: object = item
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return "" if value is None else str(value)
