"""The kinds of object that we know: what they are called, and where an API server keeps them."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object, in the version we speak."""

    group: str
    """"" is the core group."""

    version: str
    kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...] = ()
    namespaced: bool = True

    older: tuple[str, ...] = ()
    """Versions that are served besides, oldest first."""

    @property
    def api_version(self) -> str:
        """What stands in an object's `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def versions(self) -> tuple[str, ...]:
        """Every version served, oldest first."""
        return (*self.older, self.version)

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str | None = None
    ) -> str:
        """
        Where the object *name* is, or the collection if there is no name.

        No namespace is the collection over all namespaces. Raises ValueError on a name that would lead
        elsewhere: an empty one turns "delete this" into "delete all", a slash or dots into another object.
        """
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace is not None:
            if not self.namespaced:
                raise ValueError(f"{self.plural} are in no namespace")
            parts += ["namespaces", _segment(namespace)]
        elif self.namespaced and name is not None:
            raise ValueError(f"one of {self.plural} needs its namespace")
        parts.append(self.plural)
        if name is not None:
            parts.append(_segment(name))
        if subresource is not None:
            parts.append(_segment(subresource))
        return "/" + "/".join(parts)


def _segment(text: str) -> str:
    if not _SEGMENT.fullmatch(text) or text in (".", ".."):
        raise ValueError(f"{text!r} is no name of an object")
    return text


_SEGMENT = re.compile(r"[A-Za-z0-9._:~-]{1,253}")  # a colon: names of roles, as in system:auth-delegator

NAMESPACE = Kind("", "v1", "Namespace", "namespaces", "namespace", ("ns",), namespaced=False)
NODE = Kind("", "v1", "Node", "nodes", "node", ("no",), namespaced=False)
SERVICE = Kind("", "v1", "Service", "services", "service", ("svc",))
ENDPOINTS = Kind("", "v1", "Endpoints", "endpoints", "endpoints", ("ep",))
SECRET = Kind("", "v1", "Secret", "secrets", "secret")
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", "configmap", ("cm",))
SERVICE_ACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts", "serviceaccount", ("sa",))
EVENT = Kind("", "v1", "Event", "events", "event", ("ev",))
POD = Kind("", "v1", "Pod", "pods", "pod", ("po",))
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments", "deployment", ("deploy",))
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases", "lease")
ENDPOINT_SLICE = Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "endpointslice")
CUSTOM_RESOURCE_DEFINITION = Kind(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    "customresourcedefinition",
    ("crd", "crds"),
    namespaced=False,
)
LINK = Kind("multicluster.linkerd.io", "v1alpha3", "Link", "links", "link", older=("v1alpha1", "v1alpha2"))
TRAFFIC_SPLIT = Kind(
    "split.smi-spec.io",
    "v1alpha2",
    "TrafficSplit",
    "trafficsplits",
    "trafficsplit",
    ("ts",),
    older=("v1alpha1",),
)

TOKEN_REVIEW = Kind(
    "authentication.k8s.io", "v1", "TokenReview", "tokenreviews", "tokenreview", namespaced=False
)
"""A question, not an object: only ever created, never kept. Hence not among KINDS."""

KINDS = (
    NAMESPACE,
    NODE,
    SERVICE,
    ENDPOINTS,
    ENDPOINT_SLICE,
    SECRET,
    CONFIG_MAP,
    SERVICE_ACCOUNT,
    LEASE,
    EVENT,
    POD,
    DEPLOYMENT,
    CUSTOM_RESOURCE_DEFINITION,
    LINK,
    TRAFFIC_SPLIT,
)


def by_plural(group: str, plural: str) -> Kind | None:
    """The kind that *group* keeps under *plural*; None if we do not know it."""
    return _BY_PLURAL.get((group, plural))


_BY_PLURAL = {(kind.group, kind.plural): kind for kind in KINDS}
