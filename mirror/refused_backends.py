"""Telling of endpoints of exported Services that no peer is led to: each once, until they are others."""

import structlog

from cluster.objects import Key
from mirror.exports import Refused

log = structlog.get_logger()

MOST_NAMED = 5
"""Of the addresses of one Service, so many are named."""


class RefusedBackends:
    """What was told of one cluster's exports. *where* stands beside it in the log."""

    def __init__(self, **where: str) -> None:
        self._where = where
        self._told: dict[tuple[Key, str], tuple[str, ...]] = {}

    def look(self, refused: Refused) -> None:
        """Tell what is new about *refused*, which is all there is."""
        found = {
            (service, why): addresses
            for service, by_why in refused.items()
            for why, addresses in by_why.items()
        }
        for (service, why), addresses in sorted(found.items() - self._told.items()):
            named = list(addresses[:MOST_NAMED])
            about = {**self._where, "service": str(service), "count": len(addresses), "addresses": named}
            log.warning("backends.refused", **about, because=why)
        for service, why in sorted(self._told.keys() - found.keys()):
            log.info("backends.refused_no_more", **self._where, service=str(service), because=why)
        self._told = found


def count(refused: Refused) -> int:
    """How many endpoints they are."""
    return sum(len(addresses) for by_why in refused.values() for addresses in by_why.values())
