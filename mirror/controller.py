"""The mirror as a whole: our own cluster followed once, a worker for each Link, one writer among several."""

import asyncio
from collections.abc import Hashable
from functools import partial
from typing import NoReturn

import structlog

from cluster.client import Cluster
from cluster.objects import Link
from mirror.crew import Crew
from mirror.gateway_addresses import Resolver, system_resolver
from mirror.home import Home
from mirror.lease import Leadership
from mirror.metrics import Metrics
from mirror.probing import Probe
from mirror.settings import Settings
from mirror.worker import LinkWorker, Surroundings
from process.backoff import Backoff

log = structlog.get_logger()

_PAUSES = Backoff(first=1.0, most=60.0)


class Controller:
    """Serves all Links of one namespace of *cluster* while `run` does."""

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        probe: Probe,
        metrics: Metrics,
        *,
        resolver: Resolver = system_resolver,
    ) -> None:
        self._bell = asyncio.Event()
        self.home = Home(cluster, settings, changed=self._bell.set)
        self.leadership = Leadership(
            cluster, settings.namespace, changed=self._bell.set, retry=settings.lease_retry
        )
        self._around = Surroundings(
            self.home, settings, lambda: self.leadership.ours, probe, resolver, metrics
        )
        self._workers: dict[tuple[str, str], LinkWorker] = {}
        self.ready = asyncio.Event()
        """Set once our own cluster has been listed completely and the Lease was looked at."""

    def __repr__(self) -> str:
        return f"<Controller of {len(self._workers)} Links, {self.leadership!r}>"

    async def run(self) -> NoReturn:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.home.run())
            tasks.create_task(self.leadership.run())
            crew: Crew[Hashable] = Crew(tasks, "links")
            while True:
                self._bell.clear()
                self._serve(crew)
                await self._bell.wait()

    def _serve(self, crew: Crew[Hashable]) -> None:
        """Have a worker for each Link there is, and tell each that something has changed."""
        seen = self.home.seen
        if seen is None:
            return
        links = {_key(link): link for link in seen.links.items.values()}
        self._workers = {
            key: self._workers.get(key) or LinkWorker(link, self._around) for key, link in links.items()
        }
        for key, worker in self._workers.items():
            worker.link.update(links[key])
            worker.ring()
        crew.keep({key: partial(self._keep_serving, key) for key in links})
        if self.leadership.known:
            self.ready.set()

    async def _keep_serving(self, key: tuple[str, str]) -> None:
        """
        Run the Link's worker for ever.

        A mistake of ours ends no other Link's work: it is told in full, counted, and this one begun anew.
        """
        attempt = 0
        try:
            while True:
                try:
                    await self._workers[key].run()
                except Exception as error:
                    log.exception("link.broken", link=key[1], error=repr(error))
                    self._around.metrics.broke()
                link = self._workers[key].link.now
                self._workers[key] = LinkWorker(link, self._around)
                await asyncio.sleep(_PAUSES.delay(attempt, self._around.chance()))
                attempt += 1
        finally:
            self._around.metrics.forget(key[1])


def _key(link: Link) -> tuple[str, str]:
    """A Link that leads to another cluster than before is another one: nothing known of it holds."""
    return link.metadata.uid, str(link.spec.get("targetClusterName", ""))
