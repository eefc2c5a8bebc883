"""
One Link: what runs for its sake, and the pass that looks at everything and acts.

Whatever happens (a watch, a verdict, an edit, a timer) only rings the bell. A pass then reads the newest
of everything, plans, writes, and rings again until there is nothing left to do.
"""

import asyncio
from collections.abc import Hashable, Mapping
from datetime import UTC, datetime
from typing import NoReturn

import structlog

from cluster.errors import ClusterError
from cluster.metadata import time_text
from cluster.objects import Key, Link
from mirror import findings, happenings, withdrawal
from mirror.crew import Crew
from mirror.home import Seen
from mirror.link import InvalidLink, LinkSpec, keeps_mirrors, parse
from mirror.link_object import LinkObject
from mirror.linked_cluster import LinkedCluster
from mirror.look import Look, due
from mirror.observed import Observed
from mirror.plan import plan_some, removal
from mirror.remote_gateway import RemoteGateway
from mirror.shut_services import ShutServices
from mirror.status import Report
from mirror.status_keeper import StatusKeeper
from mirror.surroundings import Surroundings
from mirror.wanted import Desired, wanted
from mirror.writes import A_PASS, LINK_ITSELF, Writes

log = structlog.get_logger()

FIRST_ANSWER = 3.0
"""Seconds for which the first look of a Link waits for its gateway's first answers."""

REST = 4
"""How many times as long as a look took nobody looks again: no Link has more than a part of the process."""


class LinkWorker:
    """Serves one Link while `run` does."""

    def __init__(self, link: Link, around: Surroundings) -> None:
        self.link = LinkObject(link, around.home.cluster, clock=around.clock)
        self._around = around
        self._bell = asyncio.Event()
        self._status = StatusKeeper(
            self.link,
            self._report,
            may_write=around.may_write,
            tell=around.tell,
            pause=around.settings.status_pause,
            chance=around.chance,
        )
        self._gateway = RemoteGateway(
            around.settings,
            around.probe,
            around.resolver,
            around.metrics,
            moved=self.ring,
            heard=self._status.ring,
        )
        self._other = LinkedCluster(
            around.home, around.settings, around.metrics, changed=self.ring, may_write=around.may_write
        )
        self._spec: LinkSpec | None = None
        """What the Link said when it last said it without a mistake."""

        self._mistakes: InvalidLink | None = None
        """What is wrong with it now."""

        self._shut = ShutServices(link=link.metadata.name)
        self._brake = withdrawal.Brake()
        self._writes = Writes(link.metadata.name, around)
        self._look: Look | None = None
        self._begins_at: float | None = None
        self._thought = 0.0
        """Seconds that the last look took."""

    def __repr__(self) -> str:
        return f"<LinkWorker of {self.link!r}>"

    def ring(self) -> None:
        """Something may have changed: look again."""
        self._bell.set()

    async def run(self) -> NoReturn:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            crew: Crew[Hashable] = Crew(tasks, f"link {self.link.now.metadata.key}")
            tasks.create_task(self._status.run())
            while True:
                self._bell.clear()
                began = self._around.clock()
                await self._pass(crew, began)
                self._status.ring()
                await self._until_rung(began)
                # One write of a person makes several events; they are looked at together.
                await asyncio.sleep(max(self._around.settings.gather, REST * self._thought))

    async def _pass(self, crew: Crew[Hashable], now: float) -> None:
        """
        Look at everything, and do what is due *now*, as far as it is ours to do.

        Whatever keeps us from it (a listing, the Lease, the Link, its Secret, a name) rings when it ends.
        """
        self._read()
        spec, seen = self._spec, self._around.home.seen
        if seen is None:
            return
        if spec is not None:
            works = {**self._gateway.works(spec, self.link.now.status), **self._other.works(spec, seen)}
            crew.keep(works)
            self._other.judge(spec, now)
        if not self._around.may_write() or LINK_ITSELF in self._writes.held(now):
            return
        try:
            if self.link.leaving:
                await self._leave(seen, now)
            elif spec is not None:
                await self._mirror(spec, seen, now)
        except ClusterError as error:  # of the Link itself; what befalls a mirror is dealt with below
            self._writes.settle((), {LINK_ITSELF: error})
        else:
            self._writes.settle((LINK_ITSELF,), {})

    def _read(self) -> None:
        """The Link as it is now; after a mistake we go on with what it last was without one."""
        settings = self._around.settings
        try:
            self._spec = parse(
                self.link.now, allow_loopback=settings.allow_loopback, domain=settings.cluster_domain
            )
            self._mistakes = None
        except InvalidLink as mistakes:
            self._mistakes = mistakes

    async def _mirror(self, spec: LinkSpec, seen: Seen, now: float) -> None:
        """Bring the mirrors of this Link about."""
        remote = self._other.seen()
        if remote is None or not self._gateway.looked_up(spec):
            return
        if self._look is None and not self._gateway.heard_of(spec, self.link.now.status):
            self._begins_at = self._begins_at or now + FIRST_ANSWER
            if now < self._begins_at:
                return
        await self.link.claim(remote.cluster_uid)
        began = self._around.clock()
        observed = Observed(
            link=spec,
            remote=remote,
            local=self._writes.local(seen),
            gateway=self._gateway.observed(spec, self.link.now.status),
            others=frozenset(link.metadata.uid for link in seen.links.items.values()) - {spec.uid},
            most=self._around.settings.most_mirrors,
            create_namespaces=self._around.settings.create_namespaces,
            now=time_text(datetime.now(UTC)),
        )
        before = self._look
        desired = wanted(observed, before.desired if before else None)
        # The brake moves on before anything is deleted: what then is not, is judged anew.
        verdict, self._brake = withdrawal.judge(self._brake, observed, desired, now)
        found = plan_some(
            observed,
            desired,
            due(before, desired),
            verdict.removable,
            self._writes.setbacks.keys(),
            held=self._writes.held(now),
            most=A_PASS,
        )
        busy = frozenset(action.mirror for action in found.actions) | found.left
        self._look = Look(observed, desired, busy, verdict.withheld)
        if verdict.withheld and verdict.withheld != (before.withheld if before else {}):
            log.warning("mirror.withheld", link=spec.name, because=findings.withheld(verdict.withheld))
        self._shut.look(remote.services)
        self._tell_of_conflicts(findings.conflicts(before.desired) if before else {}, desired)
        for remote_key, why in findings.newly_skipped(before.desired if before else None, desired).items():
            self._other.tell(happenings.skipped(remote.services[remote_key], why))
        again = self._brake.looks_again_at
        if again is not None and again <= now:
            self._other.list_since(again)
        self._thought = self._around.clock() - began
        if await self._writes.carry_out(spec.cluster, found.actions, busy, observed.others, now):
            self.ring()

    def _tell_of_conflicts(self, before: Mapping[Key, str], desired: Desired) -> None:
        """Each once, when it begins and when it ends."""
        metadata, now = self.link.now.metadata, findings.conflicts(desired)
        link = metadata.name
        for remote, what in sorted(now.items() - before.items()):
            log.warning("mirror.conflict", link=link, service=str(remote), because=what)
            self._around.tell(happenings.conflict(metadata, remote, what))
        for remote in sorted(before.keys() - now.keys()):
            log.info("mirror.conflict_over", link=link, service=str(remote))

    async def _leave(self, seen: Seen, now: float) -> None:
        """Remove what this Link made, then let it go."""
        uid = self.link.now.metadata.uid
        actions = [] if keeps_mirrors(self.link.now) else removal(self._writes.local(seen), uid)
        if actions:
            cluster = str(self.link.now.spec.get("targetClusterName", ""))
            busy = {action.mirror for action in actions}
            if await self._writes.carry_out(cluster, actions, busy, frozenset(), now):
                self.ring()
        else:
            await self.link.release()

    async def _until_rung(self, looked_at: float) -> None:
        """
        Until the bell rings, or something comes due that was not at *looked_at*, the last pass's moment.

        What was due then has been done, or waits for what rings.
        """
        moments = (
            self._writes.next_try(looked_at),
            self._brake.looks_again_at,
            self._begins_at if self._look is None else None,
            self._other.due(looked_at),
        )
        next_at = min((at for at in moments if at is not None and at > looked_at), default=None)
        try:
            async with asyncio.timeout(None if next_at is None else max(0.0, next_at - self._around.clock())):
                await self._bell.wait()
        except TimeoutError:
            return

    def _report(self) -> Report:
        """What is known now; also told to the metrics."""
        report = self._findings()
        if self._spec is not None:
            self._around.metrics.reported(self._spec.cluster, report)
        return report

    def _findings(self) -> Report:
        generation, spec, look = self.link.now.metadata.generation, self._spec, self._look
        if spec is None:
            return findings.nothing_asked(generation, self._mistakes)
        home = self._around.home
        refusal, trouble = home.refusal, self._writes.trouble
        if home.seen is None:
            return Report(generation, synced=findings.refused_here(refusal) if refusal else None)
        found = findings.services(look.observed, look.desired, self._writes.setbacks) if look else None
        now = self._around.clock()
        synced = self._other.unread(now)
        if self._mistakes is not None:
            synced = findings.invalid(self._mistakes, goes_on=True)
        elif refusal is not None:
            synced = findings.refused_here(refusal)
        elif synced is None and trouble is not None:
            synced = findings.unclaimed(trouble)
        elif synced is None and look and found is not None:
            synced = findings.synced(look, found, self._writes.setbacks)
        return Report(
            generation,
            credentials=self._other.credentials(spec.cluster),
            remote=self._other.reachable(now),
            synced=synced,
            gateway=self._gateway.report(spec, self.link.now.status),
            services=found,
            exported=len(look.desired.services) if look else 0,
            mirrors=look.mirrors if look else None,
        )
