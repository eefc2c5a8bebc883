"""Under load, while pods come and go: what must not fail does not. The client counts."""

import json

from tests.e2e.conftest import Two
from tests.e2e.load import under_load
from tests.e2e.site import eventually
from tests.e2e.test_calls import GREETING


def _answered(two: Two, client: str) -> bool:
    return "greetings from east" in two.west.python(client, "test", GREETING, "http://127.0.0.1:7001/")


def test_calls_that_do_not_run_on_a_deleted_backend_do_not_fail(two: Two, client: str) -> None:
    victim, _ = two.east.names("pods", "test", "app=podinfo")
    with under_load(two.west, client, rate=20, seconds=20, longest=5) as load:
        eventually(lambda: len(_connections(two)) > 0, "calls that run")
        two.east.kubectl("-n", "test", "delete", "pod", victim, "--wait=false")
        two.east.rolled_out("podinfo", "test")
    assert load.calls > 200, str(load)
    assert [failure for failure in load.failed if failure["host"] != victim] == [], str(load)
    assert len(load.hosts) >= 2, load.hosts  # and then the new one


def _connections(two: Two) -> list[object]:
    """What runs at one of the gateways now, by its admin port."""
    pod = two.east.names("pods", "jackstay", "app.kubernetes.io/component=gateway")[0]
    script = (
        "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9990/connections').read().decode())"
    )
    found: list[object] = json.loads(two.east.python(pod, "jackstay", script))
    return found


def test_a_gateway_that_is_deleted_serves_again_as_soon_as_the_next_is_ready(two: Two, client: str) -> None:
    scale = ("-n", "jackstay", "scale", "deployment/jackstay-gateway")
    component = "app.kubernetes.io/component=gateway"
    two.east.kubectl(*scale, "--replicas=1")
    eventually(lambda: len(two.east.names("pods", "jackstay", component)) == 1, "a single gateway")
    try:
        assert _answered(two, client)
        (pod,) = two.east.names("pods", "jackstay", component)
        two.east.kubectl("-n", "jackstay", "delete", "pod", pod, "--force", "--grace-period=0")
        two.east.rolled_out("jackstay-gateway")
        took = eventually(lambda: _answered(two, client), "a call that is answered", patience=15)
        print(f"answered {took:.1f} s after the new gateway was ready")
    finally:
        two.east.kubectl(*scale, "--replicas=2")
        two.east.rolled_out("jackstay-gateway")
    two.west.kubectl("-n", "jackstay", "wait", "link/east", "--for=condition=GatewayAlive", "--timeout=60s")


def test_a_rolling_restart_of_the_gateway_fails_no_call_and_cuts_none(two: Two, client: str) -> None:
    with under_load(two.west, client, rate=50, seconds=60, longest=5) as load:
        two.east.kubectl("-n", "jackstay", "rollout", "restart", "deployment/jackstay-gateway")
        two.east.rolled_out("jackstay-gateway")
    assert load.calls >= 50 * 60 * 0.9, str(load)
    assert load.failed == [], str(load)
