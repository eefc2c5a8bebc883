"""Telling of exported Services that let nobody in because of a mistake: each once, until it is another."""

from collections.abc import Mapping

import structlog

from cluster.changes import changes
from cluster.objects import Key, Service
from mirror.exports import shut_by_mistake

log = structlog.get_logger()


class ShutServices:
    """What was told of one cluster's Services. *where* stands beside it in the log."""

    def __init__(self, **where: str) -> None:
        self._where = where
        self._seen: Mapping[Key, Service] = {}
        self._told: dict[Key, str] = {}

    def look(self, services: Mapping[Key, Service]) -> None:
        """Tell what is new about *services*, which are all there are."""
        before, self._seen = self._seen, services
        for key in sorted(changes(before, services)):
            service = services.get(key)
            why = shut_by_mistake(service) if service is not None else None
            if why and self._told.get(key) != why:
                log.warning("export.shut", **self._where, service=str(key), because=why)
                self._told[key] = why
            elif not why and self._told.pop(key, ""):
                log.info("export.open", **self._where, service=str(key))
