"""What the state of a Link amounts to."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from cluster.objects import Key, Metadata, Service, ServicePort
from mirror import findings
from mirror.look import Look
from mirror.status import Finding
from mirror.wanted import wanted
from tests.mirror.make import EMPTY, observed, remote, service


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
