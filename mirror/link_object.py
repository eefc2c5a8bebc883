"""The Link as an object in our cluster: the newest that we know of it, and what we write to it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from cluster.client import Cluster
from cluster.kinds import LINK
from cluster.metadata import Raw
from cluster.objects import Link
from cluster.snapshot import older
from mirror import marks
from mirror.status import Report, change, status

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reported:
    """What the status said, and what it says since we wrote it."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]


class LinkObject:
    """One Link. Its methods that write raise ClusterError."""

    def __init__(self, link: Link, cluster: Cluster, *, clock: Callable[[], float]) -> None:
        self.now = link
        self._cluster = cluster
        self._clock = clock
        self._written_at = float("-inf")
        self._writing = asyncio.Lock()  # the one who writes second has to know what the first one made of it

    def __repr__(self) -> str:
        return f"<LinkObject {self.now.metadata.key} at {self.now.metadata.resource_version}>"

    @property
    def leaving(self) -> bool:
        """Whether it is being deleted."""
        return self.now.metadata.deletion_timestamp is not None

    def update(self, link: Link, listed_at: float) -> None:
        """
        *link* is what a listing shows that was asked for at *listed_at*, or a watch after it.

        It may not have in it yet what we wrote since then. A listing asked for later is right whatever its
        version: versions go back where an API server is restored from a backup.
        """
        if listed_at > self._written_at or not self._is_older(link):
            self.now = link

    def _answered(self, raw: Raw) -> None:
        """A write of ours was answered with *raw*."""
        self._written_at = self._clock()
        link = Link.from_dict(raw)
        if not self._is_older(link):
            self.now = link

    def _is_older(self, link: Link) -> bool:
        return older(link.metadata.resource_version, self.now.metadata.resource_version)

    async def claim(self, remote_uid: str) -> None:
        """Have our finalizer on it, and the cluster it leads to; before anything is made for it."""
        async with self._writing:
            metadata = self.now.metadata
            missing: Raw = {}
            if marks.FINALIZER not in metadata.finalizers:
                missing["finalizers"] = [*metadata.finalizers, marks.FINALIZER]
            if remote_uid and not metadata.annotations.get(marks.REMOTE_UID):
                missing["annotations"] = {marks.REMOTE_UID: remote_uid}
            if missing:
                await self._patch(missing)

    async def release(self) -> None:
        """Take our finalizer off, so that it can go."""
        async with self._writing:
            metadata = self.now.metadata
            if marks.FINALIZER not in metadata.finalizers:
                return
            left = [finalizer for finalizer in metadata.finalizers if finalizer != marks.FINALIZER]
            await self._patch({"finalizers": left})
            log.info("link.released", link=metadata.name)

    async def report(self, report: Report, at: datetime) -> Reported | None:
        """Have its status say what *report* says; None if it already does."""
        async with self._writing:
            before = self.now.status
            after = status(before, report, at)
            patch = change(before, after)
            if not patch:
                return None
            key = self.now.metadata.key
            raw = await self._cluster.patch_status(LINK, key.namespace, key.name, {"status": patch})
            self._answered(raw)
            return Reported(before, after)

    async def _patch(self, metadata: Raw) -> None:
        now = self.now.metadata
        patch = {"metadata": {"resourceVersion": now.resource_version, **metadata}}
        self._answered(await self._cluster.patch(LINK, now.namespace, now.name, patch))
