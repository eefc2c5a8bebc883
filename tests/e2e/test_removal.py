"""Everything goes again, and nothing stays behind."""

from tests.e2e.conftest import Two, remove

KINDS = "namespaces,crds,clusterroles,clusterrolebindings"


def test_nothing_of_ours_stays_behind(two: Two, installed: dict[str, str], client: str) -> None:
    two.west.kubectl("-n", "jackstay", "delete", "link", "east", "--timeout=60s")
    assert "podinfo-east" not in two.west.names("service", "test")
    assert two.west.names("endpointslices", "test", "kubernetes.io/service-name=podinfo-east") == []
    remove(two, installed)
    for site in (two.west, two.east):
        left = site.kubectl("get", KINDS, "-o", "name").split()
        assert [name for name in left if "jackstay" in name or "linkerd" in name or "smi-spec" in name] == []
        everywhere = site.kubectl("get", "services,endpoints,pods", "-A", "-o", "name").split()
        assert [name for name in everywhere if "jackstay" in name or "podinfo" in name] == []
