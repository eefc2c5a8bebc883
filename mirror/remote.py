"""The other cluster, as one Link's credentials show it: its Services and their endpoints, followed."""

import asyncio
from collections.abc import Callable
from typing import NoReturn

from cluster.access import Access
from cluster.client import Cluster
from cluster.errors import ClusterError
from cluster.event_recorder import EventMetrics, EventRecorder, Happening
from cluster.kinds import ENDPOINT_SLICE, SERVICE
from cluster.objects import EndpointSlice, Service
from cluster.watch import Informer, Pace
from mirror.happenings import teller
from mirror.observed import Remote
from mirror.ready_endpoints import ReadyEndpoints


class RemoteCluster:
    """
    Follows the cluster at *access* while `run` does.

    *name* is what we call it. `changed` is called when what is known of it may have become another.
    """

    def __init__(
        self,
        access: Access,
        *,
        name: str,
        changed: Callable[[], None],
        pace: Pace,
        events: EventMetrics,
    ) -> None:
        self.access = access
        self._changed = changed
        self._pace = pace
        self._unusable: ClusterError | None = None
        self._told: ClusterError | None = None
        self._services: Informer[Service] | None = None
        self._slices: Informer[EndpointSlice] | None = None
        self._name = name
        self._events = events
        self._recorder: EventRecorder | None = None
        self._ready = ReadyEndpoints()

    @property
    def seen(self) -> Remote | None:
        """All of it; None before everything has been listed completely."""
        services = self._services.snapshot if self._services else None
        slices = self._slices.snapshot if self._slices else None
        if services is None or slices is None:
            return None
        return Remote.of(services, self._ready.after(slices.items))

    @property
    def sizes(self) -> dict[str, int]:
        """How many objects are known, by kind."""
        services = self._services.snapshot if self._services else None
        slices = self._slices.snapshot if self._slices else None
        return {
            "service": len(services.items) if services else 0,
            "endpointslice": len(slices.items) if slices else 0,
        }

    @property
    def failure(self) -> ClusterError | None:
        """Why what is seen is not current; None while it is, or before anything was tried."""
        if self._unusable is not None:
            return self._unusable
        informers = (self._services, self._slices)
        failures = [i.failure for i in informers if i is not None and i.failure is not None]
        # What was told first stays while it is so: both fail when the API is away, each in its own words.
        if self._told not in failures:
            self._told = failures[0] if failures else None
        return self._told

    @property
    def nameless(self) -> ClusterError | None:
        """Why it cannot be told from another cluster; None if it can, as far as we know."""
        return self._services.nameless if self._services else None

    async def run(self) -> NoReturn:
        """Follow until cancelled. No error of that cluster ends it."""
        try:
            async with Cluster(self.access) as cluster:
                await self._follow(cluster)
        except ClusterError as error:  # only what makes it impossible to ask at all
            self._unusable = error
            self._changed()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets that event")

    async def _follow(self, cluster: Cluster) -> NoReturn:
        changed, pace = self._changed, self._pace
        self._services = Informer(
            cluster, SERVICE, Service.from_dict, changed=changed, pace=pace, tells=False, identified=True
        )
        self._slices = Informer(
            cluster, ENDPOINT_SLICE, EndpointSlice.from_dict, changed=changed, pace=pace, tells=False
        )
        recorder = self._recorder = EventRecorder(cluster, teller(self._name), self._events)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(recorder.run(), name=repr(recorder))
            tasks.create_task(self._services.run(), name=repr(self._services))
            tasks.create_task(self._slices.run(), name=repr(self._slices))
        raise AssertionError("an informer runs until it is cancelled")

    def tell(self, happening: Happening) -> None:
        """Let it know, by an Event, of what we saw in it."""
        if self._recorder is not None:
            self._recorder.tell(happening)

    def list_since(self, moment: float) -> None:
        """List the Services at *moment* or later: to see whether what was missing is missing still."""
        if self._services is not None:
            self._services.list_since(moment)
