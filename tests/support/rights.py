"""A real API server that lets each account do what its roles say, and writes down what it was asked."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cli.install import rights
from cli.install.rights import Account, Right
from cluster.access import Access
from cluster.client import Cluster
from cluster.errors import AlreadyExists, NotFound
from cluster.kinds import SERVICE_ACCOUNT, Kind
from tests.support.clusters import until
from tests.support.real_api import RealApi, real_api

REVIEW = Kind(
    "authorization.k8s.io",
    "v1",
    "SubjectAccessReview",
    "subjectaccessreviews",
    "subjectaccessreview",
    namespaced=False,
)
KINDS = {
    kind.kind: kind
    for kind in (
        SERVICE_ACCOUNT,
        rights.CLUSTER_ROLE,
        rights.CLUSTER_ROLE_BINDING,
        rights.ROLE,
        rights.ROLE_BINDING,
    )
}
_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "None", "users": ["admin"]}, {"level": "Metadata"}],
}


@dataclass(frozen=True, slots=True)
class Guarded:
    """The API server, and its audit log."""

    real: RealApi
    log: Path

    def refused(self, namespace: str) -> list[str]:
        """All that it did not let the accounts in *namespace* do, in its own words."""
        return [
            f"{line['user']['username']}: {line['responseStatus'].get('message', line)}"
            for line in map(json.loads, self.log.read_text().splitlines())
            if line.get("responseStatus", {}).get("code") == 403
            and line["user"]["username"].startswith(f"system:serviceaccount:{namespace}:")
        ]


@contextmanager
def guarded(binaries: Path, directory: Path) -> Iterator[Guarded]:
    """For as long as the block lasts. Not ready at once."""
    policy, log = directory / "audit.json", directory / "audit.log"
    policy.write_text(json.dumps(_POLICY))
    flags = (f"--audit-policy-file={policy}", f"--audit-log-path={log}")
    with real_api(binaries, directory, authorization="RBAC", flags=flags) as real:
        yield Guarded(real, log)


async def make(
    admin: Cluster,
    kind: Kind,
    name: str,
    namespace: str = "",
    labels: dict[str, str] | None = None,
    **rest: Any,
) -> None:
    """The object, unless there is one of its name."""
    metadata = {"name": name, "labels": labels or {}, **({"namespace": namespace} if namespace else {})}
    with suppress(AlreadyExists):
        await admin.create(
            kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **rest}
        )


def role_name(account: Account, namespace: str) -> str:
    """Of the ClusterRole in *namespace*'s installation, so that there can be many in one cluster."""
    return f"{account.name}-{namespace}"


async def access_of(admin: Cluster, account: Account, namespace: str = "jackstay") -> Access:
    """How *account* reaches the cluster, with the rights that it has and no others, once they hold."""
    for manifest in rights.manifests(account, namespace):
        kind, metadata = KINDS[manifest["kind"]], manifest["metadata"]
        if not kind.namespaced:
            metadata["name"] = role_name(account, namespace)
            if "roleRef" in manifest:
                manifest["roleRef"]["name"] = metadata["name"]
        with suppress(NotFound):
            await admin.delete(kind, metadata.get("namespace"), metadata["name"])
        await admin.create(kind, manifest)
    token = await admin.create_token(namespace, account.name, seconds=3600)
    for right in (*account.everywhere, *account.at_home):
        await until(lambda right=right: _holds(admin, account, namespace, right), bool)  # type: ignore[misc]
    return replace(admin.access, token=token.token)


async def _holds(admin: Cluster, account: Account, namespace: str, right: Right) -> bool:
    """Whether the server knows by now that *account* has *right*."""
    attributes = {
        "namespace": namespace,
        "verb": right.verbs[0],
        "group": right.kind.group,
        "resource": right.kind.plural,
        "subresource": right.subresource,
        "name": right.names[0] if right.names else "",
    }
    spec = {"user": f"system:serviceaccount:{namespace}:{account.name}", "resourceAttributes": attributes}
    body = {"apiVersion": REVIEW.api_version, "kind": REVIEW.kind, "spec": spec}
    # `create` is for objects, which have names.
    answer = await admin._ask("POST", admin._asked("create", REVIEW, None), body=body)
    return bool(answer["status"]["allowed"])


def lacking(account: Account, right: Right, verb: str) -> Account:
    """*account* without the right to *verb* what *right* is about."""
    less = replace(right, verbs=tuple(one for one in right.verbs if one != verb))

    def left(held: tuple[Right, ...]) -> tuple[Right, ...]:
        return tuple(less if one is right else one for one in held if one is not right or less.verbs)

    return replace(account, everywhere=left(account.everywhere), at_home=left(account.at_home))
