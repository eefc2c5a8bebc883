"""What this API server answers when it does not do what was asked: a Status object, a class for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cluster.kinds import Kind
from cluster.metadata import Raw


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong with an object, and in which field."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"

    @classmethod
    def missing(cls, field: str, hint: str = "") -> "Mistake":
        return cls(field, "Required value" + (f": {hint}" if hint else ""), "FieldValueRequired")

    @classmethod
    def invalid(cls, field: str, value: object, why: str) -> "Mistake":
        shown = f'"{value}"' if isinstance(value, str) else repr(value)
        return cls(field, f"Invalid value: {shown}: {why}")

    @classmethod
    def duplicate(cls, field: str, value: object) -> "Mistake":
        return cls(field, f'Duplicate value: "{value}"', "FieldValueDuplicate")

    @classmethod
    def unsupported(cls, field: str, value: object, supported: Sequence[str]) -> "Mistake":
        known = ", ".join(f'"{choice}"' for choice in supported)
        return cls(
            field, f'Unsupported value: "{value}": supported values: {known}', "FieldValueNotSupported"
        )

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class Refused(Exception):
    """A request is not carried out. Nothing has changed."""

    code = 500
    reason = "InternalError"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details
        """What the Status says besides, for programs: kind, name, uid, causes."""

    @property
    def status(self) -> Raw:
        """The answer's body."""
        body: Raw = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
            "code": self.code,
        }
        return body | ({"details": self.details} if self.details else {})


class BadRequest(Refused):
    code, reason = 400, "BadRequest"


class Unauthorized(Refused):
    code, reason = 401, "Unauthorized"


class Forbidden(Refused):
    code, reason = 403, "Forbidden"


class NotFound(Refused):
    code, reason = 404, "NotFound"

    @classmethod
    def named(cls, kind: Kind, name: str) -> "NotFound":
        return cls(f'{resource(kind)} "{name}" not found', **about(kind, name))


class MethodNotAllowed(Refused):
    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(Refused):
    code, reason = 406, "NotAcceptable"


class AlreadyExists(Refused):
    code, reason = 409, "AlreadyExists"

    @classmethod
    def named(cls, kind: Kind, name: str) -> "AlreadyExists":
        return cls(f'{resource(kind)} "{name}" already exists', **about(kind, name))


class Conflict(Refused):
    code, reason = 409, "Conflict"

    @classmethod
    def named(cls, kind: Kind, name: str, why: str) -> "Conflict":
        sentence = f'Operation cannot be fulfilled on {resource(kind)} "{name}": {why}'
        return cls(sentence, **about(kind, name))


class Expired(Refused):
    """A version or a continuation that is no longer kept: list again."""

    code, reason = 410, "Expired"


class TooLarge(Refused):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(Refused):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(Refused):
    code, reason = 422, "Invalid"

    @classmethod
    def because(cls, kind: Kind, name: str, mistakes: Sequence[Mistake]) -> "Invalid":
        """The object *name* of *kind* has these *mistakes*, at least one."""
        what = str(mistakes[0]) if len(mistakes) == 1 else f"[{', '.join(map(str, mistakes))}]"
        causes = [
            {"reason": mistake.reason, "message": mistake.message, "field": mistake.field}
            for mistake in mistakes
        ]
        title = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
        details = about(kind, name) | {"kind": kind.kind}
        return cls(f'{title} "{name}" is invalid: {what}', **details, causes=causes)


class NotServed(Refused):
    """Something that the real API server does and this one does not, said in a sentence."""

    code, reason = 501, "NotImplemented"


def resource(kind: Kind) -> str:
    """How messages call a kind: `services`, `deployments.apps`."""
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


def about(kind: Kind, name: str) -> dict[str, str]:
    named = {"name": name, "group": kind.group, "kind": kind.plural}
    return {key: value for key, value in named.items() if value}
