"""The mirror as a whole: our own cluster followed once, a worker for each Link, one writer among several."""

import asyncio
from collections.abc import Collection, Hashable, Iterable
from functools import partial
from typing import NoReturn

import structlog

from cluster.client import Cluster
from cluster.event_recorder import EventRecorder
from cluster.objects import Link
from mirror.crew import Crew
from mirror.gateway_addresses import Resolver, system_resolver
from mirror.happenings import OURSELVES
from mirror.home import Home
from mirror.lease import Leadership
from mirror.link import is_cluster_name
from mirror.metrics import Metrics
from mirror.probing import Probe
from mirror.settings import Settings
from mirror.shut_services import ShutServices
from mirror.surroundings import Surroundings
from mirror.worker import LinkWorker
from process.backoff import Backoff

log = structlog.get_logger()

_PAUSES = Backoff(first=1.0, most=60.0)

SOUND = 300.0
"""After so many seconds without an error of ours the next one counts as the first."""

Served = tuple[str, str]


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
        self._recorder = EventRecorder(cluster, OURSELVES, metrics.events)
        self._around = Surroundings(
            self.home,
            settings,
            may_write=lambda: self.leadership.ours,
            probe=probe,
            resolver=resolver,
            metrics=metrics,
            tell=self._recorder.tell,
        )
        self._shut = ShutServices()
        self._workers: dict[Served, LinkWorker] = {}
        self.ready = asyncio.Event()
        """Set once our own cluster has been listed completely and the Lease was looked at."""

    def __repr__(self) -> str:
        return f"<Controller of {len(self._workers)} Links, {self.leadership!r}>"

    async def run(self) -> NoReturn:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.home.run())
            tasks.create_task(self.leadership.run())
            tasks.create_task(self._recorder.run())
            crew: Crew[Hashable] = Crew(tasks, "links")
            while True:
                self._bell.clear()
                self._serve(crew)
                await self._bell.wait()

    def _serve(self, crew: Crew[Hashable]) -> None:
        """Have a worker for each Link there is, and tell each that something has changed."""
        listed, seen = self.home.links, self.home.seen
        if listed is None:
            return
        self._around.metrics.holds("local", **self.home.sizes)
        if seen is not None:
            self._shut.look(seen.services.items)
        links = served(listed.items.values(), self._workers)
        self._workers = {
            key: self._workers.get(key) or LinkWorker(link, self._around) for key, link in links.items()
        }
        for key, worker in self._workers.items():
            worker.link.update(links[key], listed.listed_at)
            worker.ring()
        crew.keep({key: partial(self._keep_serving, key) for key in links})
        if self.leadership.known and seen is not None:
            self.ready.set()

    async def _keep_serving(self, key: Served) -> None:
        """
        Run the Link's worker for ever.

        A mistake of ours ends no other Link's work: it is told in full, counted, and this one begun anew.
        """
        around, worker, attempt = self._around, self._workers[key], 0
        us = asyncio.current_task()
        assert us is not None
        try:
            while True:
                began = around.clock()
                try:
                    await worker.run()
                except Exception as error:
                    name = worker.link.now.metadata.name
                    log.exception("link.broken", link=name, cluster=key[1], error=repr(error))
                    around.metrics.broke()
                    if us.cancelling():  # it broke while it was ended, and its error came instead of that
                        raise asyncio.CancelledError from error
                if around.clock() - began > SOUND:
                    attempt = 0
                await asyncio.sleep(_PAUSES.delay(attempt, around.chance()))
                attempt += 1
                worker = self._workers[key] = LinkWorker(worker.link.now, around)
        finally:
            around.metrics.forget(key[1])


def served(links: Iterable[Link], before: Collection[Served]) -> dict[Served, Link]:
    """
    *links* by what they are served as: their uid and what they call the cluster they lead to.

    A Link that leads to another cluster than before is another one: nothing known of it holds. With a name
    that cannot be one it leads where it did *before*.
    """
    by_uid = {uid: cluster for uid, cluster in before}  # noqa: C416 - dict() of a mapping is another thing
    found: dict[Served, Link] = {}
    for link in links:
        uid, said = link.metadata.uid, str(link.spec.get("targetClusterName", ""))
        found[uid, said if is_cluster_name(said) else by_uid.get(uid, said)] = link
    return found
