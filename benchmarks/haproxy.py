"""
HAProxy at both ends, as its experts would: a thread for each worker that is asked for, TLS sessions
resumed, buffers as below.

No logs: that is in its favour, since ours are on.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.delay import far
from benchmarks.programs import located, running
from benchmarks.site import Contender, Door, Place, Site, Way, address

CONFIGURATION = """
global
    nbthread {threads}
    maxconn 9000
    tune.bufsize 16384
    ssl-default-bind-options ssl-min-ver TLSv1.3
    ssl-default-bind-ciphersuites TLS_AES_256_GCM_SHA384
    ssl-default-server-options ssl-min-ver TLSv1.3
    ssl-default-server-ciphersuites TLS_AES_256_GCM_SHA384

defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    option clitcpka
    option srvtcpka
"""

GATEWAY = """
listen gateway
    bind {door} ssl crt {gateway.both} ca-file {anchors} verify required curves X25519:P-256 \
backlog 1024{no_tickets}
    server backend {backend}
"""

CLIENT = """
listen entrance
    bind {entrance} backlog 1024
    server gateway {near} ssl crt {client.both} ca-file {anchors} verify required \
verifyhost {gateway.identity} sni str({gateway.identity}){no_reuse}
"""


@contextmanager
def both_ends(site: Site) -> Iterator[Way]:
    door = site.place()
    with far(site, door) as near:
        yield from _started(site, door, near)


def _started(site: Site, door: Place, near: Place) -> Iterator[Way]:
    entrance = site.place()
    values = {
        "door": address(door), "near": address(near), "entrance": address(entrance),
        "backend": address(site.backend),
        "gateway": site.gateway, "client": site.client, "anchors": site.anchors,
        "no_tickets": "" if site.reuse else " no-tls-tickets",
        "no_reuse": "" if site.reuse else " no-ssl-reuse",
    }  # fmt: skip
    gateway = site.file(
        "haproxy-gateway.cfg", CONFIGURATION.format(threads=site.workers) + GATEWAY.format(**values)
    )
    client = site.file("haproxy-client.cfg", CONFIGURATION.format(threads=1) + CLIENT.format(**values))
    program = located("haproxy") or "haproxy"
    with (
        running(
            [program, "-db", "-f", str(gateway)], site.directory / "haproxy-gateway.log", listens=[door]
        ) as gateway_pid,
        running(
            [program, "-db", "-f", str(client)], site.directory / "haproxy-client.log", listens=[entrance]
        ) as client_pid,
    ):
        yield Way("haproxy", entrance, gateway_pid, client_pid, Door(door))


def version() -> str:
    first = subprocess.run(
        [located("haproxy") or "haproxy", "-v"], capture_output=True, text=True, check=True
    ).stdout
    return first.split()[2].partition("-")[0]


HAPROXY = Contender("haproxy", both_ends, "haproxy", "haproxy", version)
