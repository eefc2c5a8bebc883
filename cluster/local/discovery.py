"""
What the server says about itself, in the older form that every client understands. Pure.

`kubectl` asks `/api` and `/apis` which groups there are, `/api/v1` and `/apis/<group>/<version>` which
kinds, and `/openapi/v3` whether `fieldValidation` may be sent: hence documents that name the kinds and
that parameter, with empty schemas.
"""

from collections.abc import Iterable

from cluster.kinds import Kind
from cluster.local.locations import TOKEN_REVIEWS
from cluster.local.resources import RESOURCES, Resource
from cluster.metadata import Raw

VERSION = {
    "major": "1",
    "minor": "33",
    "gitVersion": "v1.33.0+jackstay",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "none: this is jackstay's local cluster",
    "compiler": "none",
    "platform": "linux/amd64",
}
"""The API that we are like: what clients of one minor version around it may expect."""

NO_SCHEMA = (
    "jackstay's local cluster has no schemas: ask a real cluster, or `kubectl explain` with its kubeconfig."
)
_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def documents() -> dict[str, Raw]:
    """Every document by its path."""
    groups = {kind.group: kind.versions for kind in _kinds() if kind.group}
    found: dict[str, Raw] = {
        "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
        "/apis": {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [_group(group, versions) for group, versions in groups.items()],
        },
    }
    for group, versions in groups.items():
        found[f"/apis/{group}"] = {"kind": "APIGroup", "apiVersion": "v1", **_group(group, versions)}
    served = [("", "v1"), *((group, version) for group, versions in groups.items() for version in versions)]
    for group, version in served:
        found[f"/{_root(group, version)}"] = _resource_list(group, version)
        found[f"/openapi/v3/{_root(group, version)}"] = _openapi(group, version)
    found["/openapi/v3"] = {
        "paths": {
            _root(group, version): {"serverRelativeURL": f"/openapi/v3/{_root(group, version)}"}
            for group, version in served
        }
    }
    found["/"] = {"paths": sorted((*found, "/healthz", "/livez", "/readyz", "/version"))}
    return found


def _rows() -> tuple[Resource, ...]:
    return (*RESOURCES, TOKEN_REVIEWS)


def _kinds() -> Iterable[Kind]:
    return (row.kind for row in _rows())


def _root(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _group(group: str, versions: tuple[str, ...]) -> Raw:
    """A group of the API; the newest version, which is stored, is the preferred one."""
    listed = [{"groupVersion": f"{group}/{version}", "version": version} for version in reversed(versions)]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def _resource_list(group: str, version: str) -> Raw:
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": [
            entry
            for row in _rows()
            if row.kind.group == group and version in row.kind.versions
            for entry in _entries(row)
        ],
    }


def _entries(row: Resource) -> Iterable[Raw]:
    kind = row.kind
    about = {"singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind}
    more = {"shortNames": list(kind.short_names), "categories": list(row.categories)}
    yield {
        "name": kind.plural,
        **about,
        "verbs": ["create"] if row is TOKEN_REVIEWS else _VERBS,
        **{name: value for name, value in more.items() if value},
    }
    if row.has_status:
        yield {"name": f"{kind.plural}/status", **about, "verbs": ["get", "patch", "update"]}
    if row.issues_tokens:
        of = {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"}
        yield {"name": f"{kind.plural}/token", **about, **of, "verbs": ["create"]}


def _path(kind: Kind, version: str) -> str:
    within = "namespaces/{namespace}/" if kind.namespaced else ""
    return f"/{_root(kind.group, version)}/{within}{kind.plural}/{{name}}"


def _openapi(group: str, version: str) -> Raw:
    rows = [row for row in _rows() if row.kind.group == group and version in row.kind.versions]
    named = [{"group": group, "version": version, "kind": row.kind.kind} for row in rows]
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": {
            _path(row.kind, version): {
                "patch": {
                    "parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}],
                    "responses": {"200": {"description": "OK"}},
                    "x-kubernetes-action": "patch",
                    "x-kubernetes-group-version-kind": name,
                }
            }
            for row, name in zip(rows, named, strict=True)
        },
        "components": {
            "schemas": {
                f"{group or 'core'}.{version}.{row.kind.kind}": {
                    "description": NO_SCHEMA,
                    "type": "object",
                    "x-kubernetes-group-version-kind": [name],
                }
                for row, name in zip(rows, named, strict=True)
            }
        },
    }
