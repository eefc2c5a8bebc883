"""Which labels and annotations a mirror gets."""

import pytest

from mirror.copying import belongs_to_a_tool, copied, named

COPIED = [
    "app",
    "tier",
    "app.kubernetes.io/name",
    "app.kubernetes.io/version",
    "app.kubernetes.io/part-of",
    "prometheus.io/scrape",
    "example.com/owner",
    "config.linkerd.io/opaque-ports",
]
LEFT = [
    "mirror.linkerd.io/exported",
    "mirror.linkerd.io/anything",
    "multicluster.linkerd.io/remote-discovery",
    "jackstay.io/allow-identities",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "argocd.argoproj.io/tracking-id",
    "helm.sh/chart",
    "meta.helm.sh/release-name",
    "external-dns.alpha.kubernetes.io/hostname",
    "kubectl.kubernetes.io/last-applied-configuration",
    "service.kubernetes.io/topology-mode",
    "service.kubernetes.io/topology-aware-hints",
    "service.beta.kubernetes.io/aws-load-balancer-type",
    "kubernetes.io/service-name",
    "endpointslice.kubernetes.io/managed-by",
    "cloud.google.com/neg",
]


@pytest.mark.parametrize("key", COPIED)
def test_what_describes_a_service_is_copied(key: str) -> None:
    assert copied({key: "x"}, excluded=()) == {key: "x"}


@pytest.mark.parametrize("key", LEFT)
def test_what_says_whose_it_is_is_not(key: str) -> None:
    assert copied({key: "x"}, excluded=()) == {}
    assert belongs_to_a_tool(key)


@pytest.mark.parametrize(
    ("key", "pattern", "is_named"),
    [
        ("tier", "tier", True),
        ("tier", "tie", False),
        ("example.com/a", "example.com/*", True),
        ("example.comx/a", "example.com/*", False),  # D-19
        ("example.com/a", "example.com", False),
        ("example.com/*", "example.com/*", True),
    ],
)
def test_a_pattern_is_a_key_or_a_prefix_with_its_slash(key: str, pattern: str, is_named: bool) -> None:
    assert named(key, [pattern]) is is_named


def test_what_a_link_excludes_is_not_copied_but_for_opaque_ports() -> None:
    pairs = {"tier": "web", "config.linkerd.io/opaque-ports": "6379"}
    assert copied(pairs, excluded=("tier", "config.linkerd.io/*")) == {
        "config.linkerd.io/opaque-ports": "6379"
    }


def test_a_tools_keys_are_copied_if_a_link_asks_for_them_and_ours_never() -> None:
    pairs = {"helm.sh/chart": "x", "mirror.linkerd.io/exported": "true", "jackstay.io/x": "y"}
    assert copied(pairs, excluded=(), wanted=("helm.sh/*", "mirror.linkerd.io/*", "jackstay.io/x")) == {
        "helm.sh/chart": "x"
    }
