"""Events (core/v1): something that happened to an object, for whoever looks at that object."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from cluster.kinds import EVENT, Kind
from cluster.metadata import Metadata, Raw, head, time_text
from cluster.reading import Fields, Malformed, present

LONGEST_MESSAGE = 1024
"""Bytes of a message that an API server takes."""


@dataclass(frozen=True, slots=True)
class Involved:
    """The object that an Event is about."""

    api_version: str
    kind: str
    namespace: str
    """"" for one in no namespace; its Events are in `default`."""

    name: str
    uid: str = ""
    """As far as known: `kubectl describe` shows the Events of this uid."""

    @classmethod
    def of(cls, kind: Kind, namespace: str, name: str, uid: str = "") -> Self:
        return cls(kind.api_version, kind.kind, namespace, name, uid)

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(
            fields.text("apiVersion"),
            fields.text("kind"),
            fields.text("namespace"),
            fields.text("name"),
            fields.text("uid"),
        )

    def to_dict(self) -> Raw:
        return present(
            apiVersion=self.api_version,
            kind=self.kind,
            namespace=self.namespace,
            name=self.name,
            uid=self.uid,
        )


@dataclass(frozen=True, slots=True)
class Event:
    """One that happened `count` times from `first` to `last`."""

    metadata: Metadata
    involved: Involved
    reason: str
    message: str
    component: str
    """Who says it."""

    first: datetime | None = field(default=None)
    last: datetime | None = field(default=None)
    count: int = 1
    warning: bool = False

    @classmethod
    def from_dict(cls, raw: object) -> Self:
        fields = Fields.of(raw)
        if not fields.has("involvedObject"):
            raise Malformed("involvedObject is missing")
        return cls(
            metadata=Metadata.of(raw),
            involved=Involved.read(fields.below("involvedObject")),
            reason=fields.text("reason"),
            message=fields.text("message"),
            component=fields.below("source").text("component"),
            first=fields.time("firstTimestamp"),
            last=fields.time("lastTimestamp"),
            count=fields.number("count", 1),
            warning=fields.text("type") == "Warning",
        )

    def to_dict(self) -> Raw:
        return {
            **head(EVENT, self.metadata),
            "involvedObject": self.involved.to_dict(),
            "reason": self.reason,
            "message": shortened(self.message),
            "type": "Warning" if self.warning else "Normal",
            "count": self.count,
            "source": {"component": self.component},
            "reportingComponent": self.component,
            "reportingInstance": "",
            **present(
                firstTimestamp=time_text(self.first) if self.first else None,
                lastTimestamp=time_text(self.last) if self.last else None,
            ),
        }

    def repetition(self) -> Raw:
        """What a merge patch writes when it has happened again."""
        whole = self.to_dict()
        return {name: whole[name] for name in ("message", "count", "lastTimestamp") if name in whole}


def shortened(message: str) -> str:
    """*message*, cut to what an API server takes."""
    encoded = message.encode()
    if len(encoded) <= LONGEST_MESSAGE:
        return message
    return encoded[: LONGEST_MESSAGE - 3].decode(errors="ignore") + "…"
