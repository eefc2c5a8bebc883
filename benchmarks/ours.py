"""
Ours, both ends, with every setting at its default: logs, metrics, limits and verification as in production.

Through the door goes `jackstay/1`: one OPEN, one DATA and one END are the whole of a small stream.
"""

import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.delay import far
from benchmarks.payload import MESSAGE
from benchmarks.programs import running
from benchmarks.site import Contender, Door, Leaf, Place, Site, Unwrap, Way, address
from gateway.frames import ALPN, Decoder, Frame, FrameType
from gateway.messages import Opening

SERVICE = "benchmark.test.svc.cluster.local"
PORT = 9000
UNSHARED = ("--warm-tunnels", "0", "--retire-after", str(MESSAGE))
"""A tunnel that has carried a message and its echo is not used again: each carries one stream."""

_OPEN = Opening(SERVICE, PORT, "0" * 32).encode().encode()
_END = Frame(FrameType.END).encode()

ROUTES = """
allow-loopback-backends = true
[[export]]
service = "{service}"
port = {port}
endpoints = ["{backend}"]
"""

TARGETS = """
[[target]]
listen = "{entrance}"
service = "{service}"
port = {port}
gateways = ["{gateway}"]
gateway-identity = "{identity}"
"""


def wrap(message: bytes) -> bytes:
    """A message of the client's side."""
    return Frame(FrameType.DATA, message).encode()


def unwrap() -> Unwrap:
    """The payload of DATA frames; other frames carry none."""
    decoder = Decoder()
    return lambda data: (part for part in decoder.decode(data) if isinstance(part, memoryview))


@contextmanager
def gateway_end(site: Site, place: Place, admin: Place, *flags: str) -> Iterator[int]:
    """A gateway at *place*, which takes *flags* besides; its process."""
    routes = site.file(
        "routes.toml", ROUTES.format(service=SERVICE, port=PORT, backend=address(site.backend))
    )
    argv = [
        *_command("gateway", admin, site.gateway, site.anchors),
        *("--routes", str(routes), "--listen", address(place), "--workers", str(site.workers), *flags),
    ]
    with running(argv, site.directory / "gateway.log", listens=[place, admin]) as pid:
        yield pid


@contextmanager
def both_ends(site: Site, *flags: str) -> Iterator[Way]:
    """Both take *flags*."""
    gateway, entrance, gateway_admin, client_admin = site.places(4)
    with (
        far(site, gateway) as near,
        gateway_end(site, gateway, gateway_admin, *flags) as gateway_pid,
        running(
            [
                *_command("outbound", client_admin, site.client, site.client_anchors or site.anchors),
                "--targets",
                str(_targets(site, entrance, near)),
                *(() if site.reuse else UNSHARED),
                *flags,
            ],
            site.directory / "outbound.log",
            listens=[entrance],
        ) as client_pid,
    ):
        door = Door(gateway, (ALPN,), _OPEN, wrap, unwrap, _END)
        opened = partial(_tunnels_opened, gateway_admin)
        yield Way("ours", entrance, gateway_pid, client_pid, door, opened, (gateway_admin, client_admin))


def _targets(site: Site, entrance: Place, gateway: Place) -> Path:
    text = TARGETS.format(
        entrance=address(entrance), service=SERVICE, port=PORT, gateway=address(gateway),
        identity=site.gateway.identity,
    )  # fmt: skip
    return site.file("targets.toml", text)


def _command(name: str, admin: Place, leaf: Leaf, anchors: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "cli", name, "--admin", address(admin)),
        *("--certificate", str(leaf.certificate), "--key", str(leaf.key)),
        *("--trust-anchors", str(anchors)),
    ]


def _tunnels_opened(admin: Place) -> int:
    for name, value in _metrics(admin):
        if name.startswith("jackstay_tunnels_opened_total{"):
            return int(value)
    raise LookupError("the gateway's /metrics do not count tunnels")


def refusals(admin: Place) -> dict[str, int]:
    """What the process whose admin port this is has refused so far, by reason."""
    found = {
        name.partition('reason="')[2].partition('"')[0]: int(value)
        for name, value in _metrics(admin)
        if name.startswith("jackstay_refused_total{")
    }
    return {reason: count for reason, count in found.items() if count}


def _metrics(admin: Place) -> Iterator[tuple[str, float]]:
    """Names with their labels, and values."""
    with urllib.request.urlopen(f"http://{address(admin)}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                yield name, float(value)


OURS = Contender("ours", both_ends)
