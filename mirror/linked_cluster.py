"""The cluster that a Link leads to, with whatever credentials the Link's Secret holds by and by."""

from collections.abc import Callable, Hashable
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from cluster.access import Access
from cluster.event_recorder import Happening
from cluster.objects import Key
from cluster.retelling import Retelling
from mirror import findings, outage
from mirror.credentials import Reader, access
from mirror.crew import Work
from mirror.home import Home, Seen
from mirror.link import LinkSpec
from mirror.metrics import Metrics
from mirror.observed import Remote
from mirror.outage import Outage
from mirror.remote import RemoteCluster
from mirror.renewal import Renewal
from mirror.settings import Settings
from mirror.status import Finding

log = structlog.get_logger()


class LinkedCluster:
    """
    What is known of it, kept by the work in `works`.

    `changed` is called when that may have become another; `may_write` tells whether the token is ours to
    renew.
    """

    def __init__(
        self,
        home: Home,
        settings: Settings,
        metrics: Metrics,
        *,
        changed: Callable[[], None],
        may_write: Callable[[], bool],
    ) -> None:
        self._home = home
        self._settings = settings
        self._metrics = metrics
        self._changed = changed
        self._may_write = may_write
        self._followed: tuple[RemoteCluster, Renewal] | None = None
        self._reader = Reader(allow_loopback=settings.allow_loopback)
        self._refused: Finding | None = None
        """Why there are no credentials to use."""

        self._kept = ""
        """Why the token could not be renewed when that was last tried."""

        self._known: Remote | None = None
        self._outage: Outage | None = None
        self._retelling = Retelling()

    def works(self, spec: LinkSpec, seen: Seen) -> dict[Hashable, Work]:
        """What has to run for as long as Link and Secret are so."""
        found = access(spec, seen.secrets.items, self._reader)
        if isinstance(found, Finding):
            self._refused = found
            self._followed = None  # what it saw is old by the time there are credentials again
            return {}
        self._refused = None
        by = found.fingerprint  # what the work is kept by has to be what tells whether it is another
        if self._followed is None or self._followed[0].access.fingerprint != by:
            remote = RemoteCluster(
                found,
                name=spec.cluster,
                changed=self._changed,
                pace=self._settings.pace,
                events=self._metrics.events,
            )
            self._followed = remote, self._renewing(spec, found)
            self._kept = ""
        remote, renewal = self._followed
        return {("remote", by): remote.run, ("token", by): renewal.run}

    def _renewing(self, spec: LinkSpec, found: Access) -> Renewal:
        home = self._home
        renewal = Renewal(
            access=found,
            secret=Key(spec.namespace, spec.credentials),
            secrets=lambda: home.seen.secrets.items if home.seen else {},
            home=home.cluster,
            may_write=self._may_write,
            told=self._token_kept,
        )
        if renewal.lifetime is not None:
            self._metrics.token_ends(spec.cluster, renewal.lifetime.ends)
        return renewal

    def _token_kept(self, because: str) -> None:
        self._kept = because
        self._changed()

    def seen(self) -> Remote | None:
        """The newest that was seen whole; what is no longer followed proves nothing about what is gone."""
        current = self._followed[0].seen if self._followed is not None else None
        if current is not None:
            self._known = current
        elif self._known is not None:
            self._known = replace(self._known, unbroken=False)
        return self._known

    def tell(self, happening: Happening) -> None:
        """Let that cluster know, by an Event, of what we saw in it."""
        if self._followed is not None:
            self._followed[0].tell(happening)

    def list_since(self, moment: float) -> None:
        """List the Services at *moment* or later: to see whether what was missing is missing still."""
        if self._followed is not None:
            self._followed[0].list_since(moment)

    def credentials(self, cluster: str) -> Finding | None:
        """Whether *cluster*, as we call it, takes what the Secret holds; None while that is not known."""
        if self._followed is None:
            return self._refused
        remote, renewal = self._followed
        return findings.credentials(
            remote.failure,
            complete=remote.seen is not None,
            token=renewal.lifetime,
            cluster=cluster,
            kept=self._kept,
            nameless=remote.nameless,
        )

    def judge(self, spec: LinkSpec, now: float) -> None:
        """See whether an outage has begun, lasts or is over *now*, and tell of it."""
        if self._followed is None:
            return
        remote, _ = self._followed
        self._metrics.holds(spec.cluster, **remote.sizes)
        before, complete = self._outage, remote.seen is not None
        current = self._outage = outage.after(
            before, remote.failure, complete=complete, now=now, time=datetime.now(UTC)
        )
        names = {"link": spec.name, "cluster": spec.cluster, "server": remote.access.server}
        if current is not None and current.lasts(self._settings.hiccup, now):
            if self._retelling.is_due(current.because.reason):
                since = f"{current.since:%Y-%m-%dT%H:%M:%SZ}"
                log.warning("remote.away", **names, since=since, because=str(current.because))
        elif before is not None and current is None and self._retelling.over():
            log.info("remote.back", **names, seconds=round(now - before.began, 1))

    def due(self, now: float) -> float | None:
        """When, after *now*, an outage is to be judged again if nothing else happens."""
        if self._outage is None:
            return None
        moments = (self._outage.began + self._settings.hiccup, self._outage.began + self._settings.patience)
        return min((moment for moment in moments if moment > now), default=None)

    def reachable(self, now: float) -> Finding | None:
        """Whether it lets itself be read; None while that is not known."""
        if self._followed is None:
            return findings.not_asked(self._refused) if self._refused else None
        if self._outage is None:
            return findings.REACHABLE if self._followed[0].seen is not None else None
        return findings.unreachable(self._outage) if self._outage.lasts(self._settings.hiccup, now) else None

    def unread(self, now: float) -> Finding | None:
        """Why what was seen last is nothing to rely on; None if it still is, or nothing is known."""
        if self._followed is None:
            return findings.not_asked(self._refused) if self._refused else None
        if self._outage is None or not self._outage.lasts(self._settings.patience, now):
            return None
        return findings.unread(self._outage)
