"""Namespaces that are missing here: waited for, or made where that is asked for."""

from dataclasses import replace

from cluster.kinds import NAMESPACE, SERVICE
from cluster.objects import Key
from mirror import marks
from mirror.mirror_objects import Mirror
from mirror.observed import Local
from mirror.plan import Create, plan
from mirror.wanted import Unmirrored, wanted
from tests.mirror.make import EMPTY, observed, remote, service

NOWHERE = replace(EMPTY, namespaces=frozenset())
THERE = Key("test", "podinfo")


def test_a_missing_namespace_is_waited_for() -> None:
    seen = observed(remote(service()), NOWHERE)
    assert wanted(seen).services[THERE] == Unmirrored("MissingNamespace", "Namespace does not exist")
    assert plan(seen, wanted(seen)) == []


def test_it_is_made_first_where_that_is_asked_for() -> None:
    seen = observed(remote(service()), NOWHERE, create_namespaces=True)
    first, second, *_ = plan(seen, wanted(seen))
    assert isinstance(first, Create)
    assert (first.kind, first.object.metadata.name) == (NAMESPACE, "test")
    assert first.object.metadata.labels == {marks.MIRRORED_SERVICE: "true", marks.CLUSTER_NAME: "east"}
    assert second.kind == SERVICE


def test_one_that_is_about_to_go_is_waited_for_in_either_case() -> None:
    local: Local = replace(NOWHERE, leaving=frozenset({"test"}))
    for create in (True, False):
        seen = observed(remote(service()), local, create_namespaces=create)
        assert wanted(seen).services[THERE] == Unmirrored("MissingNamespace", "Namespace is being deleted")


def test_what_was_worked_out_before_is_worked_out_anew_once_it_is_there() -> None:
    before = wanted(observed(remote(service()), NOWHERE))
    assert isinstance(wanted(observed(remote(service())), before).services[THERE], Mirror)


def test_a_namespace_that_comes_or_goes_concerns_its_own_services_only() -> None:
    where = remote(service(), service("web", namespace="web"))
    before = wanted(observed(where, NOWHERE))
    after = wanted(observed(where, replace(NOWHERE, namespaces=frozenset({"web"}))), before)
    assert after.touched == frozenset({Key("web", "web-east")})
    assert after == wanted(observed(where, replace(NOWHERE, namespaces=frozenset({"web"}))))
