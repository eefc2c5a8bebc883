import pytest

from cluster.kinds import (
    CUSTOM_RESOURCE_DEFINITION,
    KINDS,
    LINK,
    NAMESPACE,
    SERVICE,
    SERVICE_ACCOUNT,
    TRAFFIC_SPLIT,
    by_plural,
)


def test_paths_are_those_of_the_api() -> None:
    assert SERVICE.path() == "/api/v1/services"
    assert SERVICE.path("test") == "/api/v1/namespaces/test/services"
    assert SERVICE.path("test", "podinfo", "status") == "/api/v1/namespaces/test/services/podinfo/status"
    assert NAMESPACE.path(None, "test") == "/api/v1/namespaces/test"
    assert LINK.path("jackstay", "east") == (
        "/apis/multicluster.linkerd.io/v1alpha3/namespaces/jackstay/links/east"
    )
    assert CUSTOM_RESOURCE_DEFINITION.path(name="links.multicluster.linkerd.io") == (
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/links.multicluster.linkerd.io"
    )
    assert SERVICE_ACCOUNT.path("a", "b", "token") == "/api/v1/namespaces/a/serviceaccounts/b/token"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "a%2e", "a\n", "ä"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        SERVICE.path("test", name)
    with pytest.raises(ValueError, match="no name"):
        SERVICE.path(name)


def test_a_namespace_is_where_it_belongs() -> None:
    with pytest.raises(ValueError, match="needs its namespace"):
        SERVICE.path(None, "podinfo")
    with pytest.raises(ValueError, match="in no namespace"):
        NAMESPACE.path("test", "test")


def test_kinds_are_found_by_group_and_plural() -> None:
    assert all(by_plural(kind.group, kind.plural) is kind for kind in KINDS)
    assert by_plural("apps", "services") is None


def test_versions_end_with_the_stored_one() -> None:
    assert LINK.versions == ("v1alpha1", "v1alpha2", "v1alpha3")
    assert TRAFFIC_SPLIT.versions == ("v1alpha1", "v1alpha2")
    assert (SERVICE.versions, SERVICE.api_version) == (("v1",), "v1")
    assert LINK.api_version == "multicluster.linkerd.io/v1alpha3"
