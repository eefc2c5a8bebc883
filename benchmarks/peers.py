"""
Who runs beside us.

| peer       | Debian's packages         | used                                          |
|------------|---------------------------|-----------------------------------------------|
| haproxy    | haproxy                   | always                                        |
| nginx      | nginx libnginx-mod-stream | always                                        |
| envoy      | -                         | where it is on the PATH                       |
"""

from collections.abc import Iterable

from benchmarks.envoy import ENVOY
from benchmarks.haproxy import HAPROXY
from benchmarks.nginx import NGINX
from benchmarks.programs import located
from benchmarks.site import Contender

PEERS = (HAPROXY, NGINX, ENVOY)


def at_hand(peers: Iterable[Contender] = PEERS) -> tuple[list[Contender], list[Contender]]:
    """Those whose program is here with all it needs, and those whose is not."""
    here = [peer for peer in peers if located(peer.program) and peer.whole()]
    return here, [peer for peer in peers if peer not in here]
