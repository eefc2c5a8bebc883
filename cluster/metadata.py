"""What every object of a cluster has: its name, its version, its labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from cluster.kinds import Kind
from cluster.reading import Fields, present

Raw = dict[str, Any]
"""An object as it travels: JSON."""


class Key(NamedTuple):
    """What names an object among those of its kind; the namespace is "" for those in none."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class OwnerReference:
    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(
            fields.text("apiVersion"),
            fields.required("kind"),
            fields.required("name"),
            fields.text("uid"),
            fields.flag("controller"),
            fields.flag("blockOwnerDeletion"),
        )

    def to_dict(self) -> Raw:
        return present(
            apiVersion=self.api_version,
            kind=self.kind,
            name=self.name,
            uid=self.uid,
            controller=self.controller,
            blockOwnerDeletion=self.block_owner_deletion,
        )


@dataclass(frozen=True, slots=True)
class Metadata:
    """What every object has."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    deletion_timestamp: datetime | None = None
    creation_timestamp: datetime | None = None
    owner_references: tuple[OwnerReference, ...] = ()

    @property
    def key(self) -> Key:
        return Key(self.namespace, self.name)

    @classmethod
    def of(cls, raw: object) -> Self:
        """The metadata of the object *raw*. Raises Malformed."""
        fields = Fields.of(raw).below("metadata")
        return cls(
            name=fields.required("name"),
            namespace=fields.text("namespace"),
            uid=fields.text("uid"),
            resource_version=fields.text("resourceVersion"),
            generation=fields.number("generation"),
            labels=fields.pairs("labels"),
            annotations=fields.pairs("annotations"),
            finalizers=fields.texts("finalizers"),
            deletion_timestamp=fields.time("deletionTimestamp"),
            creation_timestamp=fields.time("creationTimestamp"),
            owner_references=fields.each("ownerReferences", OwnerReference.read),
        )

    def to_dict(self) -> Raw:
        """Without what only a server sets: generation and the two times."""
        return present(
            name=self.name,
            namespace=self.namespace,
            uid=self.uid,
            resourceVersion=self.resource_version,
            labels=dict(self.labels),
            annotations=dict(self.annotations),
            finalizers=list(self.finalizers),
            ownerReferences=[owner.to_dict() for owner in self.owner_references],
        )


def time_text(time: datetime) -> str:
    """*time* as Kubernetes writes it: UTC, whole seconds, Z."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def head(kind: Kind, metadata: Metadata) -> Raw:
    """How an object of *kind* begins."""
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata.to_dict()}
