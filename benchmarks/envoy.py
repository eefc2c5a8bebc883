"""
Envoy at both ends, as its experts would: as many workers as are asked for, TLS sessions
resumed, limits lifted.

BoringSSL leaves no choice of cipher in TLS 1.3: it takes TLS_AES_128_GCM_SHA256 where all others here have
256 bits. No logs: that is in its favour, since ours are on.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.delay import far
from benchmarks.programs import located, running
from benchmarks.site import Contender, Door, Place, Site, Way

CONFIGURATION = """
static_resources:
  listeners:
  - name: here
    address:
      socket_address:
        address: "{here[0]}"
        port_value: {here[1]}
    tcp_backlog_size: 1024
    socket_options:
    - description: SO_KEEPALIVE
      level: 1
      name: 9
      int_value: 1
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: here
          cluster: there
          idle_timeout: 3600s
{server}
  clusters:
  - name: there
    type: STATIC
    connect_timeout: 5s
    upstream_connection_options:
      tcp_keepalive:
        keepalive_time: 60
    circuit_breakers:
      thresholds:
      - max_connections: 20000
        max_pending_requests: 20000
        max_requests: 20000
    load_assignment:
      cluster_name: there
      endpoints:
      - lb_endpoints:
        - endpoint:
            address:
              socket_address:
                address: "{there[0]}"
                port_value: {there[1]}
{client}
"""

GATEWAY = """
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: true
          disable_stateless_session_resumption: {no_reuse}
          disable_stateful_session_resumption: {no_reuse}
          session_timeout: 3600s
          common_tls_context:
            tls_params:
              tls_minimum_protocol_version: TLSv1_3
              tls_maximum_protocol_version: TLSv1_3
              ecdh_curves: [X25519, P-256]
            tls_certificates:
            - certificate_chain:
                filename: "{leaf.certificate}"
              private_key:
                filename: "{leaf.key}"
            validation_context:
              trusted_ca:
                filename: "{anchors}"
"""

CLIENT = """
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: "{identity}"
        max_session_keys: {sessions}
        common_tls_context:
          tls_params:
            tls_minimum_protocol_version: TLSv1_3
            tls_maximum_protocol_version: TLSv1_3
            ecdh_curves: [X25519, P-256]
          tls_certificates:
          - certificate_chain:
              filename: "{leaf.certificate}"
            private_key:
              filename: "{leaf.key}"
          validation_context:
            trusted_ca:
              filename: "{anchors}"
            match_typed_subject_alt_names:
            - san_type: DNS
              matcher:
                exact: "{identity}"
"""

_ALL_DESCRIPTORS = 'ulimit -n "$(ulimit -H -n)" && exec "$@"'
"""Envoy takes what it gets, where the others ask for more."""


@contextmanager
def both_ends(site: Site) -> Iterator[Way]:
    door = site.place()
    with far(site, door) as near:
        yield from _started(site, door, near)


def _started(site: Site, door: Place, near: Place) -> Iterator[Way]:
    entrance = site.place()
    server = GATEWAY.format(
        leaf=site.gateway, anchors=site.anchors, no_reuse="false" if site.reuse else "true"
    )
    client = CLIENT.format(
        leaf=site.client,
        anchors=site.anchors,
        identity=site.gateway.identity,
        sessions=1000 if site.reuse else 0,
    )
    gateway = CONFIGURATION.format(here=door, there=site.backend, server=server, client="")
    outbound = CONFIGURATION.format(here=entrance, there=near, server="", client=client)
    with (
        running(
            _argv(site.file("envoy-gateway.yaml", gateway), site.workers),
            site.directory / "envoy-gateway.log",
            listens=[door],
        ) as gateway_pid,
        running(
            _argv(site.file("envoy-client.yaml", outbound), 1),
            site.directory / "envoy-client.log",
            listens=[entrance],
        ) as client_pid,
    ):
        yield Way("envoy", entrance, gateway_pid, client_pid, Door(door))


def _argv(configuration: Path, workers: int) -> list[str]:
    return [
        *("sh", "-c", _ALL_DESCRIPTORS, "sh"),
        *(located("envoy") or "envoy", "--config-path", str(configuration)),
        *("--concurrency", str(workers), "--disable-hot-restart", "--log-level", "error"),
    ]


def version() -> str:
    argv = [located("envoy") or "envoy", "--version"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return said.split("version:")[1].split("/")[1]


ENVOY = Contender("envoy", both_ends, "envoy", "", version)
