"""
nginx's stream module at both ends, as its experts would: as many workers as are asked for, TLS sessions
resumed, buffers as below.

No logs: that is in its favour, since ours are on.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.delay import far
from benchmarks.programs import located, running
from benchmarks.site import Contender, Door, Place, Site, Way, address

MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
"""Where Debian puts it; elsewhere it is compiled in."""

CONFIGURATION = """
{load_module}
daemon off;
worker_processes {workers};
worker_rlimit_nofile 20000;
pid {pid};
error_log stderr warn;
events {{
    worker_connections 20000;  # both sides of a connection count
    multi_accept on;
}}
stream {{
    access_log off;
    tcp_nodelay on;
    proxy_timeout 1h;
    proxy_connect_timeout 5s;
    proxy_buffer_size 16k;
    {server}
}}
"""

GATEWAY = """
    server {{
        listen {door} ssl backlog=1024 so_keepalive=on{reuseport};
        ssl_protocols TLSv1.3;
        ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384;
        ssl_certificate {gateway.certificate};
        ssl_certificate_key {gateway.key};
        ssl_verify_client on;
        ssl_verify_depth 2;
        ssl_client_certificate {anchors};
        ssl_session_cache {cache};
        ssl_session_tickets {reuse};
        ssl_session_timeout 1h;
        proxy_pass {backend};
    }}
"""

CLIENT = """
    server {{
        listen {entrance} backlog=1024 so_keepalive=on;
        proxy_ssl on;
        proxy_ssl_protocols TLSv1.3;
        proxy_ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384;
        proxy_ssl_certificate {client.certificate};
        proxy_ssl_certificate_key {client.key};
        proxy_ssl_trusted_certificate {anchors};
        proxy_ssl_verify on;
        proxy_ssl_verify_depth 2;
        proxy_ssl_name {gateway.identity};
        proxy_ssl_server_name on;
        proxy_ssl_session_reuse {reuse};
        proxy_pass {near};
    }}
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
        "reuseport": " reuseport" if site.workers > 1 else "",
        "cache": "shared:gateway:10m" if site.reuse else "off", "reuse": "on" if site.reuse else "off",
    }  # fmt: skip
    gateway = _configuration(site, "nginx-gateway", GATEWAY.format(**values), site.workers)
    client = _configuration(site, "nginx-client", CLIENT.format(**values), 1)
    program = located("nginx") or "nginx"
    with (
        running(
            [program, "-c", str(gateway)], site.directory / "nginx-gateway.log", listens=[door]
        ) as gateway_pid,
        running(
            [program, "-c", str(client)], site.directory / "nginx-client.log", listens=[entrance]
        ) as client_pid,
    ):
        yield Way("nginx", entrance, gateway_pid, client_pid, Door(door))


def _configuration(site: Site, name: str, server: str, workers: int) -> Path:
    load_module = f"load_module {MODULE};" if MODULE.exists() else ""
    text = CONFIGURATION.format(
        load_module=load_module, workers=workers, pid=site.directory / f"{name}.pid", server=server
    )
    return site.file(f"{name}.conf", text)


def version() -> str:
    said = _said("-v")
    found = re.search(r"nginx/([\d.]+)", said)
    return found[1] if found else said.strip()


def has_streams() -> bool:
    """Whether the stream module is there, by itself or compiled in."""
    return MODULE.exists() or "--with-stream " in _said("-V")


def _said(option: str) -> str:
    argv = [located("nginx") or "nginx", option]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stderr


NGINX = Contender("nginx", both_ends, "nginx", "nginx libnginx-mod-stream", version, has_streams)
