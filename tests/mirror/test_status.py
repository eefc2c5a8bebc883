"""What a Link's status says, and when it says something else."""

from datetime import UTC, datetime
from typing import Any

import pytest

from cluster.crds import link_definition
from cluster.objects import Key
from mirror.liveness import Liveness
from mirror.status import Finding, GatewayReport, Mirrored, NoGateway, Report, change, status
from process.address import Address

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = datetime(2026, 1, 2, 4, 4, 5, tzinfo=UTC)
FIRST, SECOND = "2026-01-02T03:04:05Z", "2026-01-02T04:04:05Z"

GATEWAY = Address("203.0.113.7", 4143)
OTHER = Address("203.0.113.8", 4143)
ALIVE = Liveness(alive=True, latencies=(0.012,))
DEAD = Liveness(alive=False, failures=3, because="connection refused")
OK = Finding(ok=True, reason="Mirrored")
PODINFO = Key("test", "podinfo")


def report(**known: Any) -> Report:
    return Report(**{"generation": 3, **known})


def gateway(**addresses: Liveness) -> GatewayReport:
    named = {"one": GATEWAY, "two": OTHER}
    return GatewayReport({named[name]: liveness for name, liveness in addresses.items()})


FULL = report(
    credentials=Finding(ok=True, reason="Accepted"),
    remote=Finding(ok=True, reason="Answering"),
    synced=Finding(ok=True, reason="Synced", message="1 service is mirrored"),
    gateway=gateway(one=ALIVE),
    services={PODINFO: Mirrored(OK, Key("test", "podinfo-east"))},
    mirrors=1,
)


def test_a_status_in_full() -> None:
    found = status({}, FULL, NOW)
    assert [(each["type"], each["status"], each["observedGeneration"]) for each in found["conditions"]] == [
        ("CredentialsValid", "True", 3),
        ("RemoteReachable", "True", 3),
        ("GatewayAlive", "True", 3),
        ("Synced", "True", 3),
    ]
    assert found["gateway"] == {
        "alive": True,
        "services": 1,
        "latencyMilliseconds": 12,
        "lastTransitionTime": FIRST,
        "addresses": [{"address": "203.0.113.7:4143", "alive": True, "latencyMilliseconds": 12}],
    }
    reference = {"group": "", "kind": "Service", "namespace": "test"}
    assert found["mirrorServices"] == [
        {
            "controllerName": "linkerd.io/service-mirror",
            "remoteRef": {**reference, "name": "podinfo"},
            "conditions": [
                {
                    "type": "Mirrored",
                    "status": "True",
                    "reason": "Mirrored",
                    "message": "",
                    "lastTransitionTime": FIRST,
                    "localRef": {**reference, "name": "podinfo-east"},
                }
            ],
        }
    ]


def test_the_same_again_is_the_same() -> None:
    before = status({}, FULL, NOW)
    assert status(before, FULL, LATER) == before
    assert change(before, status(before, FULL, LATER)) == {}


def test_what_is_not_known_stays_as_it_was() -> None:
    before = status({}, FULL, NOW)
    assert status(before, report(), LATER) == before
    unsure = report(gateway=gateway(one=Liveness()))
    assert status(before, unsure, LATER) == before
    unresolved = report(gateway=GatewayReport(resolved=False))
    assert status(before, unresolved, LATER) == before


def test_nothing_known_of_a_new_link_says_nothing() -> None:
    assert status({}, report(), NOW) == {}
    assert status({}, report(gateway=gateway(one=Liveness())), NOW) == {}


def test_a_transition_moves_its_own_time_only() -> None:
    before = status({}, FULL, NOW)
    found = status(before, report(gateway=gateway(one=DEAD), services=FULL.services), LATER)
    times = {each["type"]: (each["status"], each["lastTransitionTime"]) for each in found["conditions"]}
    assert times["GatewayAlive"] == ("False", SECOND)
    assert times["RemoteReachable"] == ("True", FIRST)
    assert found["gateway"]["alive"] is False
    assert found["gateway"]["lastTransitionTime"] == SECOND
    assert found["gateway"]["addresses"] == [
        {"address": "203.0.113.7:4143", "alive": False, "reason": "connection refused"}
    ]
    assert found["mirrorServices"] == before["mirrorServices"]


def test_another_reason_is_no_transition() -> None:
    refused = Mirrored(Finding(ok=False, reason="Conflict", message="it exists"))
    missing = Mirrored(Finding(ok=False, reason="MissingNamespace", message="it does not"))
    before = status({}, report(services={PODINFO: refused}), NOW)
    condition = status(before, report(services={PODINFO: missing}), LATER)["mirrorServices"][0]["conditions"][
        0
    ]
    assert (condition["reason"], condition["lastTransitionTime"]) == ("MissingNamespace", FIRST)


def test_one_address_that_answers_is_a_gateway_that_lives() -> None:
    found = status({}, report(gateway=gateway(one=ALIVE, two=DEAD)), NOW)
    assert found["gateway"]["alive"] is True
    assert found["conditions"][0]["message"] == "203.0.113.8:4143: connection refused"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.013, 12), (0.017, 12), (0.030, 30), (0.003, 3), (0.0001, 1)]
)
def test_a_latency_that_is_about_the_same_is_not_written(seconds: float, said: int) -> None:
    before = status({}, FULL, NOW)
    again = report(gateway=gateway(one=Liveness(alive=True, latencies=(seconds,))))
    assert status(before, again, LATER)["gateway"]["latencyMilliseconds"] == said


def test_an_address_that_is_not_judged_yet_is_named_only_with_a_reason() -> None:
    found = status({}, report(gateway=gateway(one=ALIVE, two=Liveness())), NOW)
    assert found["conditions"][0]["message"] == ""
    once = Liveness(failures=1, because="no answer")
    found = status({}, report(gateway=gateway(one=ALIVE, two=once)), NOW)
    assert found["conditions"][0]["message"] == "203.0.113.8:4143: no answer"


def test_what_cannot_be_known_is_said_and_the_gateway_is_shown_as_it_was() -> None:
    before = status({}, FULL, NOW)
    unasked = Finding(ok=None, reason="InvalidLink", message="nobody asks")
    found = status(before, report(remote=unasked, gateway=unasked), LATER)
    shown = {each["type"]: (each["status"], each["reason"]) for each in found["conditions"]}
    assert shown["RemoteReachable"] == shown["GatewayAlive"] == ("Unknown", "InvalidLink")
    assert shown["Synced"] == ("True", "Synced")
    assert found["gateway"] == before["gateway"]


def test_of_a_link_without_gateway_none_is_shown() -> None:
    found = status(status({}, FULL, NOW), report(gateway=NoGateway()), LATER)
    assert "gateway" not in found
    assert "GatewayAlive" not in {each["type"] for each in found["conditions"]}


def test_a_gateway_without_an_address_is_dead_and_says_why() -> None:
    nowhere = GatewayReport({}, mistakes=("gw.example.com does not resolve",))
    found = status({}, report(gateway=nowhere), NOW)
    assert found["gateway"]["alive"] is False
    condition = found["conditions"][0]
    assert (condition["reason"], condition["message"]) == ("NoAddress", "gw.example.com does not resolve")


def test_a_gateway_that_is_not_probed_is_taken_to_be_alive() -> None:
    unasked = GatewayReport({GATEWAY: Liveness(alive=True)}, probed=False)
    found = status({}, report(gateway=unasked), NOW)
    assert found["gateway"] == {"alive": True, "lastTransitionTime": FIRST}
    assert found["conditions"][0]["reason"] == "NotProbed"


def test_of_very_many_services_only_those_that_are_not_mirrored_are_listed() -> None:
    services = {Key("test", f"s{number:04}"): Mirrored(OK) for number in range(600)}
    services[PODINFO] = Mirrored(Finding(ok=False, reason="Conflict"))
    found = status({}, report(services=services), NOW)
    assert [entry["remoteRef"]["name"] for entry in found["mirrorServices"]] == ["podinfo"]


def test_what_somebody_else_wrote_there_does_no_harm() -> None:
    strange = {
        "conditions": "none",
        "gateway": [],
        "mirrorServices": {"a": 1},
        "other": 1,
        "federatedServices": [],
    }
    found = status(strange, FULL, NOW)
    assert found == {**status({}, FULL, NOW), "federatedServices": []}
    assert change(strange, found)["other"] is None


def test_a_change_says_what_is_to_go_also_inside() -> None:
    before = status({}, FULL, NOW)
    after = status(before, report(gateway=gateway(one=DEAD)), LATER)
    patch = change(before, after)
    assert patch["gateway"]["latencyMilliseconds"] == 12
    assert "mirrorServices" not in patch
    assert change({"gateway": {"services": 1, "alive": True}}, {"gateway": {"alive": True}}) == {
        "gateway": {"services": None, "alive": True}
    }


def test_every_field_is_in_the_definition_that_we_install() -> None:
    """An API server drops what a schema does not name; then each pass would write it again."""
    versions = {version["name"]: version for version in link_definition()["spec"]["versions"]}
    schema = versions["v1alpha3"]["schema"]["openAPIV3Schema"]["properties"]["status"]
    _assert_known(status({}, FULL, NOW), schema)
    _assert_known(status({}, report(gateway=gateway(one=DEAD)), NOW), schema)


def _assert_known(value: Any, schema: dict[str, Any]) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            assert name in schema["properties"]
            _assert_known(inner, schema["properties"][name])
    if isinstance(value, list):
        for inner in value:
            _assert_known(inner, schema["items"])
