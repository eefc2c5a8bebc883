"""Telling of exported Services that let nobody in because of a mistake: each once, until it is another."""

from collections.abc import Iterable

import structlog

from cluster.objects import Key, Service
from mirror.exports import shut_by_mistake

log = structlog.get_logger()


class ShutServices:
    """What was told of one cluster's Services. *where* stands beside it in the log."""

    def __init__(self, **where: str) -> None:
        self._where = where
        self._told: dict[Key, str] = {}

    def look(self, services: Iterable[Service]) -> None:
        """Tell what is new about *services*, which are all there are."""
        found = {service.metadata.key: why for service in services if (why := shut_by_mistake(service))}
        for key, why in sorted(found.items() - self._told.items()):
            log.warning("export.shut", **self._where, service=str(key), because=why)
        for key in sorted(self._told.keys() - found.keys()):
            log.info("export.open", **self._where, service=str(key))
        self._told = found
