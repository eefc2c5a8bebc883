from datetime import timedelta

from prometheus_client import CollectorRegistry

from certs.generation import Generation
from certs.refresh_metrics import RefreshMetrics
from process.sums import read, summed
from tests.support.pki import ALPN, Pki

PKI = Pki.make()
EXPIRES, REFRESHED = "identity_cert_expiration_timestamp_seconds", "identity_cert_refresh_timestamp_seconds"


def test_before_there_is_a_certificate_no_moment_is_told() -> None:
    registry = CollectorRegistry()
    RefreshMetrics(registry).told(None)
    assert registry.get_sample_value(EXPIRES) is None
    assert registry.get_sample_value(REFRESHED) is None
    assert registry.get_sample_value("identity_cert_refreshes_total", {"result": "error"}) == 1


def test_a_refresh_is_another_certificate_and_not_other_anchors() -> None:
    registry, at = CollectorRegistry(), [PKI.now]
    metrics = RefreshMetrics(registry, now=lambda: at[0])

    def refreshes() -> float | None:
        return registry.get_sample_value("identity_cert_refreshes_total", {"result": "ok"})

    assert refreshes() == 0
    first = PKI.generation("web.test")
    metrics.told(first)
    assert refreshes() == 1
    assert registry.get_sample_value(EXPIRES) == first.credentials.not_after.timestamp()
    at[0] += timedelta(hours=1)
    metrics.told(
        Generation.build(2, first.credentials, Pki.make().bundle, alpn_server=ALPN, alpn_client=ALPN)
    )
    assert refreshes() == 1
    assert registry.get_sample_value(REFRESHED) == PKI.now.timestamp()
    metrics.told(PKI.generation("web.test"))
    assert refreshes() == 2
    assert registry.get_sample_value(REFRESHED) == at[0].timestamp()


def test_of_several_processes_the_one_that_is_worst_off_is_told() -> None:
    registries = []
    for behind in (0, 1):
        registry = CollectorRegistry()
        at = PKI.now - timedelta(hours=behind)
        RefreshMetrics(registry, now=lambda at=at: at).told(PKI.generation("web.test"))  # type: ignore[misc]  # bound by its default
        registries.append(read(registry))
    families = {family.name: family for family in summed(registries)}
    assert list(families[REFRESHED].samples.values()) == [(PKI.now - timedelta(hours=1)).timestamp()]
