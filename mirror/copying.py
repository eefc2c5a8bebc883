"""Which labels and annotations of a service its mirror gets."""

from collections.abc import Iterable, Mapping

from mirror import marks

OWNERSHIP = (
    # Tools that know their objects by a mark and prune or overwrite what bears it.
    "argocd.argoproj.io/",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "applyset.kubernetes.io/",
    "config.k8s.io/",
    "config.kubernetes.io/",
    "fluxcd.io/",
    "helm.sh/",
    "helm.toolkit.fluxcd.io/",
    "kapp.k14s.io/",
    "kpt.dev/",
    "kubectl.kubernetes.io/",
    "kustomize.toolkit.fluxcd.io/",
    "meta.helm.sh/",
    "objectset.rio.cattle.io/",
    "olm.managed",
    "operators.coreos.com/",
    "pulumi.com/",
    # Names and load balancers that are made for whatever asks for them.
    "alb.ingress.kubernetes.io/",
    "cloud.google.com/",
    "external-dns.alpha.kubernetes.io/",
    "field.cattle.io/",
    "load-balancer.hetzner.cloud/",
    "metallb.io/",
    "metallb.universe.tf/",
    "networking.gke.io/",
    # Kubernetes itself.
    "endpoints.kubernetes.io/",
    "endpointslice.kubernetes.io/",
    "kubernetes.io/",
    "node.kubernetes.io/",
    "service.alpha.kubernetes.io/",
    "service.beta.kubernetes.io/",
    "service.kubernetes.io/",
    "topology.kubernetes.io/",
    # Linkerd's multicluster and ourselves: they say what is to be done with an object.
    "mirror.linkerd.io",
    "multicluster.linkerd.io/",
    "jackstay.io/",
)
"""Beginnings of keys that say whose an object is or what shall be done with it, never what it is."""

Patterns = tuple[str, ...]
"""Keys, or prefixes followed by `/*`."""


def copied(pairs: Mapping[str, str], *, excluded: Patterns, wanted: Patterns = ()) -> dict[str, str]:
    """
    The labels or annotations of *pairs* that a mirror gets: those that belong to no tool (unless
    *wanted*) and are not *excluded*. The list of opaque ports is always among them.
    """
    return {
        key: value
        for key, value in pairs.items()
        if key == marks.OPAQUE_PORTS
        or ((not belongs_to_a_tool(key) or named(key, wanted)) and not named(key, excluded) and not ours(key))
    }


def belongs_to_a_tool(key: str) -> bool:
    """Whether *key* is some tool's: not ours to copy, nor to take away from an object of ours."""
    return key.startswith(OWNERSHIP)


def ours(key: str) -> bool:
    """Whether *key* is one that only we write on a mirror, whatever a Link asks for."""
    return key.startswith(("mirror.linkerd.io", "multicluster.linkerd.io/", "jackstay.io/"))


def named(key: str, patterns: Iterable[str]) -> bool:
    """Whether *key* is one of *patterns*, or begins with one of those that end in `/*` (slash included)."""
    return any(
        key == pattern or (pattern.endswith("/*") and key.startswith(pattern[:-1])) for pattern in patterns
    )
