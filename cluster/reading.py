"""The door for objects of an API server: a dict goes in, typed fields come out, or a sentence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

T = TypeVar("T")


class Malformed(Exception):
    """An object does not have the form that its kind has; the message names the field."""

    reason = "malformed"


@dataclass(frozen=True, slots=True)
class Fields:
    """
    One JSON object and where it stands in the whole, read field by field.

    Tolerant in what a later version may add or leave out: unknown fields are not looked at, and
    null is absent, which is its default. A field of another type raises Malformed.
    """

    raw: Mapping[str, Any]
    where: str = ""

    @classmethod
    def of(cls, raw: object, where: str = "") -> "Fields":
        if not isinstance(raw, Mapping):
            raise Malformed(f"{where or 'the object'} is not an object")
        return cls(raw, where)

    def text(self, name: str, default: str = "") -> str:
        value = self.raw.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self._wrong(name, "a string")
        return value

    def required(self, name: str) -> str:
        """A text that must be there and not empty."""
        value = self.text(name)
        if not value:
            raise Malformed(f"{self._path(name)} is missing")
        return value

    def number(self, name: str, default: int = 0) -> int:
        value = self.raw.get(name)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(name, "a whole number")
        return value

    def port(self, name: str) -> int:
        """A port that must be there, from 1 to 65535."""
        value = self.number(name)
        if not 1 <= value <= 65535:
            raise self._wrong(name, "a port from 1 to 65535")
        return value

    def flag(self, name: str) -> bool | None:
        """True, False, or None where nothing is said."""
        value = self.raw.get(name)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def number_or_text(self, name: str) -> int | str | None:
        value = self.raw.get(name)
        if (
            value is None
            or isinstance(value, str)
            or (isinstance(value, int) and not isinstance(value, bool))
        ):
            return value
        raise self._wrong(name, "a number or a name")

    def time(self, name: str) -> datetime | None:
        value = self.text(name)
        if not value:
            return None
        try:
            time = datetime.fromisoformat(value)
        except ValueError as error:
            raise self._wrong(name, "a time") from error
        if time.tzinfo is None:
            raise self._wrong(name, "a time with its zone")
        return time

    def texts(self, name: str) -> tuple[str, ...]:
        values = self._list(name)
        if not all(isinstance(value, str) for value in values):
            raise self._wrong(name, "a list of strings")
        return tuple(values)

    def pairs(self, name: str) -> dict[str, str]:
        """A map from string to string, as labels are."""
        value = self._mapping(name)
        if not all(isinstance(text, str) for text in value.values()):
            raise self._wrong(name, "a map of strings")
        return dict(value)

    def below(self, name: str) -> "Fields":
        """The object under *name*; empty if it is absent."""
        return Fields(self._mapping(name), self._path(name))

    def each(self, name: str, parse: "Callable[[Fields], T]") -> tuple[T, ...]:
        """*parse* of every object in the list *name*."""
        return tuple(
            parse(Fields.of(value, f"{self._path(name)}[{index}]"))
            for index, value in enumerate(self._list(name))
        )

    def has(self, name: str) -> bool:
        return self.raw.get(name) is not None

    def _list(self, name: str) -> list[Any]:
        value = self.raw.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(name, "a list")
        return value

    def _mapping(self, name: str) -> Mapping[str, Any]:
        value = self.raw.get(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise self._wrong(name, "an object")
        return value

    def _path(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name

    def _wrong(self, name: str, wanted: str) -> Malformed:
        return Malformed(f"{self._path(name)} is not {wanted}")


def present(**fields: object) -> dict[str, Any]:
    """
    The fields that say something, for the way out: no None, no empty text, list or map.

    False and 0 say something.
    """
    return {
        name: value
        for name, value in fields.items()
        if value is not None and value != "" and value != [] and value != {}
    }
