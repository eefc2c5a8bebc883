"""Label selectors as a Link holds them: which labels they choose."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from cluster.reading import Fields, Malformed


@dataclass(frozen=True, slots=True)
class Expression:
    """One requirement on a key."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Raises Malformed where the API server would refuse it too."""
        key, operator, values = fields.required("key"), fields.required("operator"), fields.texts("values")
        if operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
            raise Malformed(f"{fields.where}.operator is {operator!r}, not In, NotIn, Exists or DoesNotExist")
        if operator in ("In", "NotIn") and not values:
            raise Malformed(f"{fields.where}.values is empty, which {operator} cannot have")
        if operator in ("Exists", "DoesNotExist") and values:
            raise Malformed(f"{fields.where}.values is not empty, as {operator} must have it")
        return cls(key, operator, values)

    def holds(self, labels: Mapping[str, str]) -> bool:
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case _:
                return self.key not in labels


@dataclass(frozen=True, slots=True)
class Selector:
    """Chooses labels. An empty one chooses nothing: a Link that says nothing exports nothing."""

    labels: Mapping[str, str] = field(default_factory=dict)
    expressions: tuple[Expression, ...] = ()

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Raises Malformed, naming the field."""
        return cls(fields.pairs("matchLabels"), fields.each("matchExpressions", Expression.read))

    def chooses(self, labels: Mapping[str, str]) -> bool:
        if not self.labels and not self.expressions:
            return False
        exact = all(labels.get(key) == value for key, value in self.labels.items())
        return exact and all(expression.holds(labels) for expression in self.expressions)


NOTHING = Selector()
