"""
Where a cluster's nodes are, followed.

An installation from before this was asked has no right to list nodes. Then nobody's address is taken
for a node's, as it was before, and the log says so again and again: to serve nothing would be worse
for those who upgrade, and all other rules for backends hold. No other failure is taken for that: while
the API server does not answer, nothing is known, and what was known stays.
"""

from collections.abc import Callable
from typing import NoReturn

import structlog

from cluster.client import Cluster
from cluster.errors import Forbidden
from cluster.kinds import NODE
from cluster.objects import Node
from cluster.retelling import Retelling
from cluster.watch import Informer, Pace

log = structlog.get_logger()

HINT = "apply what `jackstay install` prints anew: the gateway's ClusterRole lists and watches nodes"


class NodeAddresses:
    """
    `known` while `run` runs.

    *changed* is called when it has become another: nodes report far more often than they move.
    """

    def __init__(self, cluster: Cluster, *, changed: Callable[[], None], pace: Pace = Pace()) -> None:  # noqa: B008 - frozen
        self.known: frozenset[str] | None = None
        """None until all nodes have been listed, or the server has said that we may not."""

        self._changed = changed
        self._where = str(cluster.access)
        self._retelling = Retelling()
        self._informer = Informer(cluster, NODE, Node.from_dict, changed=self._look, pace=pace)

    async def run(self) -> NoReturn:
        """Until cancelled."""
        await self._informer.run()

    def _look(self) -> None:
        snapshot, failure = self._informer.snapshot, self._informer.failure
        if isinstance(failure, Forbidden):
            self._tell(failure)
        elif failure is None and self._retelling.over():
            log.info("nodes.known", cluster=self._where)
        if snapshot is not None:
            found = frozenset(ip for node in snapshot.items.values() for ip in node.addresses)
        elif isinstance(failure, Forbidden):
            found = frozenset()
        else:
            return
        if found != self.known:
            self.known = found
            self._changed()

    def _tell(self, failure: Forbidden) -> None:
        if self._retelling.is_due(failure.reason):
            told = "backends are not held against the addresses of nodes"
            log.error("nodes.unknown", cluster=self._where, because=str(failure), so=told, hint=HINT)
