"""What the state of a Link amounts to."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from cluster.errors import Invalid
from cluster.objects import Key, Metadata, Service, ServicePort
from mirror import findings, marks, setbacks
from mirror.look import Look
from mirror.plan import plan
from mirror.status import Finding
from mirror.wanted import wanted
from tests.mirror.make import EMPTY, applied, observed, remote, service


def theirs(name: str) -> Service:
    """A Service here that somebody else made."""
    return Service(
        Metadata(name, "test", f"uid-{name}", "5"), ports=(ServicePort(80),), cluster_ip="10.2.0.9"
    )


def synced(exported: Iterable[Service], *standing: str) -> Finding | None:
    """Once nothing is left to be written, where there are Services of those names that are not ours."""
    here = replace(EMPTY, services={Key("test", name): theirs(name) for name in standing})
    saw = observed(remote(*exported), here)
    look = Look(saw, wanted(saw), frozenset(), {})
    return findings.synced(look, findings.services(saw, look.desired, {}), {})


@pytest.mark.parametrize(
    ("exported", "standing", "reason", "message"),
    [
        pytest.param(
            (service(),),
            ("podinfo-east",),
            "Conflict",
            "1 of 1 service is not mirrored: test/podinfo: "
            "Service test/podinfo-east exists and was not made by Link east",
            id="one of one",
        ),
        pytest.param(
            (service("web", namespace="lost"), service()),
            ("podinfo-east",),
            "Conflict",
            "2 of 2 services are not mirrored: test/podinfo: "
            "Service test/podinfo-east exists and was not made by Link east; 1 more under mirrorServices",
            id="a conflict is named before what ends by itself",
        ),
        pytest.param(
            (service(namespace="lost"),),
            (),
            "NotMirrored",
            "1 of 1 service is not mirrored: lost/podinfo: Namespace does not exist",
            id="no conflict",
        ),
    ],
)
def test_what_is_not_mirrored_is_counted_and_the_first_is_named(
    exported: tuple[Service, ...], standing: tuple[str, ...], reason: str, message: str
) -> None:
    assert synced(exported, *standing) == Finding(ok=False, reason=reason, message=message)


def test_of_very_many_services_those_are_looked_at_of_which_there_is_something_to_say() -> None:
    many = [service(f"s{number}") for number in range(600)]
    shut = service("shut", annotations={marks.ALLOW_IDENTITIES: "web/test"})
    seen = observed(remote(*many, shut, service("lost", namespace="lost")))
    here = applied(EMPTY, plan(seen, wanted(seen)))
    saw = replace(seen, local=here)
    look = Look(saw, wanted(saw), frozenset(), {})
    refused: setbacks.Setbacks = {Key("test", "s7-east"): setbacks.Setback(Invalid("no such port"), 1, 9.0)}
    found = findings.services(saw, look.desired, refused)
    assert {key.name: mirrored.finding.reason for key, mirrored in found.items()} == {
        "lost": "MissingNamespace",
        "s7": "Error",
        "shut": "Mirrored",
    }
    said = findings.synced(look, found, refused)
    assert said is not None
    assert said.message.startswith("2 of 602 services are not mirrored")
    well = replace(saw, remote=remote(*many, shut))
    look = Look(well, wanted(well), frozenset(), {})
    said = findings.synced(look, findings.services(well, look.desired, {}), {})
    assert said is not None
    assert said.message.startswith("601 services are mirrored; 1 service lets nobody in")
