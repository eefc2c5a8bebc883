import pytest

from cluster.local.locations import locate
from cluster.local.refusals import NotFound


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/api/v1/services", ("services", "v1", None, None, None)),
        ("/api/v1/namespaces", ("namespaces", "v1", None, None, None)),
        ("/api/v1/namespaces/test", ("namespaces", "v1", None, "test", None)),
        ("/api/v1/namespaces/test/status", ("namespaces", "v1", None, "test", "status")),
        ("/api/v1/namespaces/test/services", ("services", "v1", "test", None, None)),
        ("/api/v1/namespaces/test/services/web", ("services", "v1", "test", "web", None)),
        ("/api/v1/namespaces/test/services/web/status", ("services", "v1", "test", "web", "status")),
        ("/api/v1/namespaces/test/services/web/proxy/a/b", ("services", "v1", "test", "web", "proxy")),
        ("/apis/apps/v1/namespaces/test/deployments/d", ("deployments", "v1", "test", "d", None)),
        ("/apis/multicluster.linkerd.io/v1alpha1/links", ("links", "v1alpha1", None, None, None)),
        ("/api/v1/namespaces/test/configmaps/a%3Ab", ("configmaps", "v1", "test", "a:b", None)),
    ],
)
def test_a_path_is_read(path: str, meant: tuple[str | None, ...]) -> None:
    found = locate(path)
    assert (found.kind.plural, found.version, found.namespace, found.name, found.subresource) == meant


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api",
        "/api/v1",
        "/api/v2/services",
        "/api/v1/nothings",
        "/apis/apps/v1/services",
        "/apis/apps/v2/deployments",
        "/api/v1/services/web",
        "/api/v1/namespaces/test/namespaces/x",
        "/api/v1/namespaces//services",
        "/apis/apiextensions.k8s.io/v1/namespaces/test/customresourcedefinitions",
        "/else/v1/services",
    ],
)
def test_a_path_to_nothing_is_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        locate(path)
