"""Certificates come and are renewed by themselves, and nobody notices."""

import json

from tests.e2e.conftest import Two
from tests.e2e.load import under_load
from tests.e2e.site import Site, eventually

ASK = """
import sys, urllib.request as r
request = r.Request("http://127.0.0.1:9990" + sys.argv[1], method=sys.argv[2])
print(r.urlopen(request, timeout=5).read().decode())
"""


def _events(site: Site, namespace: str, account: str) -> list[str]:
    """The reasons of what was told of a service account."""
    about = f"involvedObject.kind=ServiceAccount,involvedObject.name={account}"
    listed = json.loads(
        site.kubectl("-n", namespace, "get", "events", "--field-selector", about, "-o", "json")
    )
    return [event["reason"] for event in listed["items"]]


def _loaded(site: Site, pod: str, namespace: str, container: str) -> int:
    """How many certificates the process has taken over, by its log."""
    return site.kubectl("-n", namespace, "logs", pod, "-c", container).count("certificate.loaded")


def test_a_first_certificate_is_an_event_of_its_account(two: Two, client: str) -> None:
    eventually(lambda: _events(two.west, "test", "web") == ["IssuedLeafCertificate"], "the event")
    assert "IssuedLeafCertificate" in _events(two.east, "jackstay", "jackstay-gateway")
    assert _events(two.east, "jackstay", "jackstay-mirror") == []  # its leaf is in a Secret


def test_a_new_issuer_and_new_leaves_fail_no_call(two: Two, client: str) -> None:
    """In both clusters, at both ends, while calls come all the time."""
    gateways = two.east.names("pods", "jackstay", "app.kubernetes.io/component=gateway")
    proxies = [
        (two.west, client, "test", "outbound"),
        *((two.east, gateway, "jackstay", "gateway") for gateway in gateways),
    ]
    before = {proxy: _loaded(*proxy) for proxy in proxies}
    with under_load(two.west, client, rate=20, seconds=45, longest=3) as load:
        for site in (two.west, two.east):
            issuer = two.file(f"{site.name}-second.crt"), two.file(f"{site.name}-second.key")
            two.make_issuer(site, issuer)
            secret = site.kubectl(
                *("-n", "jackstay", "create", "secret", "tls", "jackstay-identity-issuer"),
                *("--cert", issuer[0], "--key", issuer[1], "--dry-run=client", "-o", "yaml"),
            )
            site.apply(secret)
            eventually(
                lambda site=site: "IssuerUpdated" in _events(site, "jackstay", "jackstay-identity"),  # type: ignore[misc]
                "the new issuer to be used",
            )
        for site, pod, namespace, container in proxies:
            site.python(pod, namespace, ASK, "/renew", "POST", container=container)
        for proxy in proxies:
            eventually(
                lambda proxy=proxy: _loaded(*proxy) > before[proxy],  # type: ignore[misc]
                f"another certificate of {proxy[1]}",
            )
    assert load.calls > 20 * 45 * 0.8, str(load)
    assert load.failed == [], str(load)
