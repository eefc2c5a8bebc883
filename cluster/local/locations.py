"""What a URL's path means: which kind, in which version, which object, which part of it. Pure."""

from dataclasses import dataclass
from urllib.parse import unquote

from cluster.kinds import TOKEN_REVIEW, Kind
from cluster.local.refusals import NotFound
from cluster.local.resources import RESOURCES, Resource
from cluster.local.tables import NAME
from cluster.metadata import Key

TOKEN_REVIEWS = Resource(TOKEN_REVIEW, (NAME,))
"""Asked and answered, never kept."""

_BY_PLURAL = {(row.kind.group, row.kind.plural): row for row in (*RESOURCES, TOKEN_REVIEWS)}
_OF_A_NAMESPACE = ("status", "finalize")
"""Subresources of namespaces, where the kinds in a namespace stand otherwise."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where a request goes."""

    resource: Resource
    version: str
    namespace: str | None = None
    """None: all namespaces, or none."""

    name: str | None = None
    """None: the collection."""

    subresource: str | None = None

    @property
    def kind(self) -> Kind:
        return self.resource.kind

    @property
    def key(self) -> Key:
        assert self.name is not None
        return Key(self.namespace or "", self.name)

    @property
    def api_version(self) -> str:
        """As the client asked, which may be older than what is stored."""
        return f"{self.kind.group}/{self.version}" if self.kind.group else self.version


def locate(path: str) -> Location:
    """Read a path as it was sent, still quoted. Raises NotFound."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    match parts:
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            raise _nothing_at(path)
    namespace: str | None = None
    if len(rest) >= 3 and rest[0] == "namespaces" and not (group == "" and rest[2] in _OF_A_NAMESPACE):
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = (*rest, None, None, None)[:3] if rest else (None, None, None)
    resource = _BY_PLURAL.get((group, plural or ""))
    if resource is None or version not in resource.kind.versions or not all(parts):
        raise _nothing_at(path)
    misplaced = (
        namespace is not None if not resource.kind.namespaced else name is not None and namespace is None
    )
    if misplaced:
        raise _nothing_at(path)
    return Location(resource, version, namespace, name, subresource)


def _nothing_at(path: str) -> NotFound:
    return NotFound(f"the server could not find the requested resource: nothing is served at {path}")
