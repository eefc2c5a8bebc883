"""The page that Prometheus reads: names and labels as linkerd2-proxy has them where it has them."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics import DataPathMetrics
from gateway.refusals import Reason
from gateway.stream_metrics import Direction
from tests.support.pki import Pki

BOTH: list[Direction] = ["inbound", "outbound"]


class Page:
    """What a registry shows, by name and labels."""

    def __init__(self, registry: CollectorRegistry) -> None:
        text = generate_latest(registry).decode()
        self.samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def labels(self, name: str) -> list[dict[str, str]]:
        return [dict(sample.labels) for sample in self.samples if sample.name == name]

    def value(self, name: str, **labels: str) -> float:
        (value,) = [one.value for one in self.samples if one.name == name and one.labels == labels]
        return float(value)

    @property
    def names(self) -> set[str]:
        return {sample.name for sample in self.samples}


def made(direction: Direction = "inbound") -> tuple[DataPathMetrics, CollectorRegistry]:
    registry = CollectorRegistry()
    return DataPathMetrics(registry, direction), registry


SIDES: dict[Direction, list[dict[str, str]]] = {
    "inbound": [
        {"direction": "inbound", "peer": "src", "tls": "true"},
        {"direction": "inbound", "peer": "dst", "tls": "no_identity"},
    ],
    "outbound": [
        {"direction": "outbound", "peer": "src", "tls": "no_identity"},
        {"direction": "outbound", "peer": "dst", "tls": "true"},
    ],
}


@pytest.mark.parametrize("direction", BOTH)
@pytest.mark.parametrize(
    "name", ["tcp_open_total", "tcp_open_connections", "tcp_read_bytes_total", "tcp_write_bytes_total"]
)
def test_each_stream_has_two_sides_with_their_labels_from_the_start(direction: Direction, name: str) -> None:
    _, registry = made(direction)
    assert Page(registry).labels(name) == SIDES[direction]


@pytest.mark.parametrize("direction", BOTH)
def test_an_end_is_counted_on_both_sides_under_its_errno(direction: Direction) -> None:
    metrics, registry = made(direction)
    for errno in ("", "", "backend_reset"):
        metrics.stream_opened()
        metrics.stream_closed(errno)
    metrics.stream_opened()
    page = Page(registry)
    for side in SIDES[direction]:
        assert page.value("tcp_open_total", **side) == 4
        assert page.value("tcp_open_connections", **side) == 1
        assert page.value("tcp_close_total", **side, errno="") == 2
        assert page.value("tcp_close_total", **side, errno="backend_reset") == 1


def test_the_page_has_these_counters_and_no_label_that_a_stranger_could_fill() -> None:
    metrics, registry = made()
    metrics.stream_closed("")
    metrics.handshake("ok", 0.1)
    metrics.handshake(Reason.UNTRUSTED)
    metrics.stream_ready(0.1)
    metrics.tunnel_opened()
    metrics.reloaded("routes", taken=True)
    metrics.certificate(Pki.make().generation("web.test"))
    page = Page(registry)
    wanted = {
        *("tcp_open_total", "tcp_open_connections", "tcp_close_total"),
        *("tcp_read_bytes_total", "tcp_write_bytes_total"),
        *("jackstay_refused_total", "jackstay_handshakes_total", "jackstay_tunnels"),
        *("jackstay_tunnels_opened_total", "jackstay_reloads_total"),
        *("jackstay_handshake_seconds_count", "jackstay_stream_ready_seconds_count"),
        *("identity_cert_expiration_timestamp_seconds", "identity_cert_refresh_timestamp_seconds"),
        *("identity_cert_refreshes_total", "jackstay_build_info", "process_cpu_seconds_total"),
        *("jackstay_loop_lag_seconds_count", "jackstay_tunnels_idle", "jackstay_tunnels_reused_total"),
        *("jackstay_ejections_total", "jackstay_ejected_endpoints", "jackstay_refused_backends"),
    }
    assert wanted <= page.names
    own = {"identity", "anchor", "sha256"}  # of our certificate and our trust anchors
    labels = {label for sample in page.samples for label in sample.labels} - own
    assert labels <= {"direction", "peer", "tls", "errno", "reason", "result", "what", "le", "version"}


def test_bytes_are_read_anew_each_time_somebody_looks() -> None:
    metrics, registry = made("outbound")
    running = [(10, 1), (20, 2)]
    metrics.bytes.running = lambda: running
    src, dst = SIDES["outbound"]
    assert Page(registry).value("tcp_read_bytes_total", **src) == 30
    running[0] = (15, 1)
    page = Page(registry)
    assert page.value("tcp_read_bytes_total", **src) == 35
    assert page.value("tcp_write_bytes_total", **src) == 3
    assert page.value("tcp_read_bytes_total", **dst) == 3
    assert page.value("tcp_write_bytes_total", **dst) == 35
    metrics.bytes.ended(*running.pop(0))
    assert Page(registry).value("tcp_read_bytes_total", **src) == 35


@pytest.mark.parametrize("direction", BOTH)
def test_every_reason_is_there_before_it_happens_and_counted_when_it_does(direction: Direction) -> None:
    metrics, registry = made(direction)
    for reason in Reason:
        assert Page(registry).value("jackstay_refused_total", direction=direction, reason=reason) == 0
        metrics.refused(reason)
        assert Page(registry).value("jackstay_refused_total", direction=direction, reason=reason) == 1
    metrics.defect()
    assert Page(registry).value("jackstay_refused_total", direction=direction, reason="internal") == 2


def test_a_handshake_that_failed_has_no_duration() -> None:
    metrics, registry = made()
    metrics.handshake("ok", 0.02)
    metrics.handshake(Reason.UNTRUSTED)
    page = Page(registry)
    assert page.value("jackstay_handshakes_total", direction="inbound", result="ok") == 1
    assert page.value("jackstay_handshakes_total", direction="inbound", result="untrusted") == 1
    assert page.value("jackstay_handshake_seconds_count", direction="inbound") == 1
    assert page.value("jackstay_handshake_seconds_sum", direction="inbound") == pytest.approx(0.02)


def test_tunnels_are_counted_now_and_over_all_time() -> None:
    metrics, registry = made("outbound")
    metrics.tunnel_opened()
    metrics.tunnel_opened()
    metrics.tunnel_closed()
    page = Page(registry)
    assert page.value("jackstay_tunnels", direction="outbound") == 1
    assert page.value("jackstay_tunnels_opened_total", direction="outbound") == 2


def test_the_end_of_our_certificate_is_that_of_the_one_last_taken() -> None:
    metrics, registry = made()
    generation = Pki.make().generation("web.test")
    metrics.certificate(generation)
    metrics.certificate(None)
    page = Page(registry)
    ends = generation.credentials.not_after.timestamp()
    assert page.value("identity_cert_expiration_timestamp_seconds") == ends
    assert page.value("jackstay_reloads_total", what="certificate", result="ok") == 1
    assert page.value("jackstay_reloads_total", what="certificate", result="error") == 1


def test_two_processes_in_one_test_do_not_share_anything() -> None:
    (first, first_registry), (_, second_registry) = made(), made()
    first.stream_opened()
    assert Page(first_registry).value("tcp_open_connections", **SIDES["inbound"][0]) == 1
    assert Page(second_registry).value("tcp_open_connections", **SIDES["inbound"][0]) == 0
