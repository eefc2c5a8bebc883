"""What mirrors are called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.objects import Key
from mirror.naming import mirror_name, remote_key, remote_name

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
CLUSTERS = st.from_regex(r"[a-z]([-a-z0-9]{0,48}[a-z0-9])?", fullmatch=True)


def test_a_mirror_is_called_after_the_service_and_its_cluster() -> None:
    assert mirror_name("podinfo", "east") == "podinfo-east"


@given(NAMES, CLUSTERS)
def test_every_mirror_has_a_name_that_a_service_can_have(service: str, cluster: str) -> None:
    name = mirror_name(service, cluster)
    assert len(name) <= 63
    assert name.endswith(f"-{cluster}")
    assert name[0].isalpha()


def test_long_names_that_differ_at_the_end_stay_apart() -> None:
    assert mirror_name("a" * 62 + "x", "east") != mirror_name("a" * 62 + "y", "east")


def test_a_qualified_name_leads_back_to_the_service() -> None:
    name = remote_name(Key("test", "podinfo"), "cluster.local")
    assert name == "podinfo.test.svc.cluster.local"
    assert remote_key(name) == Key("test", "podinfo")


@pytest.mark.parametrize(
    "name", ["", "podinfo", "podinfo.test", "podinfo.test.pod.x", "podinfo..svc.x", "a.b.svc."]
)
def test_what_is_no_services_name_leads_nowhere(name: str) -> None:
    assert remote_key(name) is None
