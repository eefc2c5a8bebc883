"""The cluster that a Link leads to, with whatever credentials the Link's Secret holds by and by."""

from collections.abc import Callable, Hashable
from dataclasses import replace

from cluster.access import Access
from cluster.objects import Key
from mirror import findings
from mirror.credentials import access
from mirror.crew import Work
from mirror.home import Home, Seen
from mirror.link import LinkSpec
from mirror.metrics import Metrics
from mirror.observed import Remote
from mirror.remote import RemoteCluster
from mirror.renewal import Renewal
from mirror.settings import Settings
from mirror.status import Finding


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
        self._refused: Finding | None = None
        """Why there are no credentials to use."""

        self._known: Remote | None = None

    def works(self, spec: LinkSpec, seen: Seen) -> dict[Hashable, Work]:
        """What has to run for as long as Link and Secret are so."""
        found = access(spec, seen.secrets.items, allow_loopback=self._settings.allow_loopback)
        if isinstance(found, Finding):
            self._refused = found
            self._followed = None  # what it saw is old by the time there are credentials again
            return {}
        self._refused = None
        by = found.fingerprint  # what the work is kept by has to be what tells whether it is another
        if self._followed is None or self._followed[0].access.fingerprint != by:
            remote = RemoteCluster(found, changed=self._changed, pace=self._settings.pace)
            self._followed = remote, self._renewing(spec, found)
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
        )
        if renewal.lifetime is not None:
            self._metrics.token_ends(spec.cluster, renewal.lifetime.ends)
        return renewal

    def seen(self) -> Remote | None:
        """The newest that was seen whole; what is no longer followed proves nothing about what is gone."""
        current = self._followed[0].seen if self._followed is not None else None
        if current is not None:
            self._known = current
        elif self._known is not None:
            self._known = replace(self._known, unbroken=False)
        return self._known

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
            remote.failure, complete=remote.seen is not None, token=renewal.lifetime, cluster=cluster
        )

    @property
    def reachable(self) -> Finding | None:
        """Whether it lets itself be read; None while that is not known."""
        if self._followed is None:
            return findings.not_asked(self._refused) if self._refused else None
        remote, _ = self._followed
        return findings.reachable(remote.failure, complete=remote.seen is not None)
