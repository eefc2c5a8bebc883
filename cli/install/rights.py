"""
What our parts may do in a cluster, and nothing more: one table a part, so that it can be read at a glance.

A right that is missing here shows as a 403 that names it; a test with a real API server holds that each
is needed and that together they are enough.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from cli.manifests import GATEWAY, IDENTITY, MIRROR, REMOTE_ACCESS, Manifest, manifest, part_labels
from cluster.kinds import (
    ENDPOINT_SLICE,
    ENDPOINTS,
    EVENT,
    LEASE,
    LINK,
    NAMESPACE,
    NODE,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    TOKEN_REVIEW,
    Kind,
)

RBAC = "rbac.authorization.k8s.io"
CLUSTER_ROLE = Kind(RBAC, "v1", "ClusterRole", "clusterroles", "clusterrole", namespaced=False)
CLUSTER_ROLE_BINDING = Kind(
    RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", "clusterrolebinding", namespaced=False
)
ROLE = Kind(RBAC, "v1", "Role", "roles", "role")
ROLE_BINDING = Kind(RBAC, "v1", "RoleBinding", "rolebindings", "rolebinding")

READ = ("list", "watch")


@dataclass(frozen=True, slots=True)
class Right:
    """To do *verbs* with objects of *kind*, or with those of these *names* only."""

    kind: Kind
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()
    subresource: str = ""

    @property
    def rule(self) -> dict[str, Any]:
        resource = f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural
        rule: dict[str, Any] = {"apiGroups": [self.kind.group], "resources": [resource]}
        if self.names:
            rule["resourceNames"] = list(self.names)
        return rule | {"verbs": list(self.verbs)}


@dataclass(frozen=True, slots=True)
class Account:
    """A ServiceAccount, its rights in the whole cluster, and those in our own namespace."""

    name: str
    everywhere: tuple[Right, ...]
    at_home: tuple[Right, ...] = ()
    in_pods: bool = True
    """Whether pods run as it; otherwise it is for a token that somebody asks for."""


GATEWAY_ACCOUNT = Account(
    GATEWAY,
    everywhere=(
        Right(SERVICE, READ),
        Right(ENDPOINT_SLICE, READ),
        Right(NODE, READ),  # no backend may be at the address of one
    ),
)

_KEEP = (*READ, "create", "update", "delete")

MIRROR_ACCOUNT = Account(
    MIRROR,
    everywhere=(
        Right(SERVICE, _KEEP),
        Right(ENDPOINTS, _KEEP),
        Right(ENDPOINT_SLICE, ("get", *_KEEP)),  # one in the way is read, to see whose it is
        Right(NAMESPACE, READ),
    ),
    at_home=(
        Right(LINK, (*READ, "patch")),
        Right(LINK, ("patch",), subresource="status"),
        Right(SECRET, (*READ, "patch")),  # the credentials of Links; their tokens are renewed
        Right(LEASE, ("create",)),
        Right(LEASE, ("get", "update"), names=(MIRROR,)),
        Right(EVENT, ("create", "patch")),
    ),
)

NAMESPACE_MAKER = replace(
    MIRROR_ACCOUNT,
    everywhere=tuple(
        Right(NAMESPACE, (*right.verbs, "create")) if right.kind == NAMESPACE else right
        for right in MIRROR_ACCOUNT.everywhere
    ),
)
"""The mirror's, where it makes namespaces that are missing."""

REMOTE_ACCOUNT = Account(
    REMOTE_ACCESS,
    everywhere=(
        Right(SERVICE, READ),
        Right(ENDPOINT_SLICE, READ),
        Right(NAMESPACE, ("get",), names=("kube-system",)),  # its uid tells one cluster from another
        Right(EVENT, ("create", "patch")),  # at Services that are exported and not mirrored
    ),
    at_home=(Right(SERVICE_ACCOUNT, ("create",), names=(REMOTE_ACCESS,), subresource="token"),),
    in_pods=False,
)
"""As whom the mirrors of other clusters read this one."""


IDENTITY_ACCOUNT = Account(
    IDENTITY,
    everywhere=(
        Right(TOKEN_REVIEW, ("create",)),
        Right(EVENT, ("create", "patch")),  # in the namespace of whoever asked
    ),
    at_home=(Right(SECRET, ("get", *READ), names=(f"{IDENTITY}-issuer",)),),
)


def manifests(account: Account, namespace: str) -> Iterable[Manifest]:
    """The account and what it may do."""
    labels = part_labels(account.name)
    subject = {"kind": SERVICE_ACCOUNT.kind, "name": account.name, "namespace": namespace}
    yield manifest(
        SERVICE_ACCOUNT, account.name, namespace, labels=labels, automountServiceAccountToken=account.in_pods
    )
    for rights, role, binding, where in (
        (account.everywhere, CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ""),
        (account.at_home, ROLE, ROLE_BINDING, namespace),
    ):
        if rights:
            yield manifest(role, account.name, where, labels=labels, rules=[right.rule for right in rights])
            yield manifest(
                binding,
                account.name,
                where,
                labels=labels,
                roleRef={"apiGroup": RBAC, "kind": role.kind, "name": account.name},
                subjects=[subject],
            )
