"""
Carrying out a plan: mirrors side by side, a bounded number at a time; what belongs to one mirror in order.

What meets another state than it was planned from is not forced but planned anew.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import assert_never

import structlog

from cluster.client import Cluster
from cluster.errors import ClusterError, NotFound
from cluster.metadata import Raw
from cluster.objects import Key
from mirror.plan import Action, Create, Delete, Update

log = structlog.get_logger()

AT_ONCE = 16
"""Mirrors of one Link that are written at the same time."""


@dataclass(slots=True)
class Outcome:
    """How it went, by mirror."""

    done: set[Key] = field(default_factory=set)
    failed: dict[Key, ClusterError] = field(default_factory=dict)


async def execute(
    actions: Iterable[Action],
    cluster: Cluster,
    *,
    may_write: Callable[[], bool],
    wrote: Callable[[Action, Raw | None], None],
    at_once: int = AT_ONCE,
) -> Outcome:
    """
    Do *actions*; the first failure ends those for its mirror, and no other's.

    *may_write* is asked before each write: when it says no, nothing more is done. *wrote* is told each
    action that was carried out, with the object as the server now has it.
    """
    outcome = Outcome()
    waiting = iter(_by_mirror(actions).items())

    async def work() -> None:
        for mirror, belonging in waiting:
            await _do(mirror, belonging, cluster, may_write, wrote, outcome)

    async with asyncio.TaskGroup() as workers:
        for _ in range(at_once):
            workers.create_task(work())
    return outcome


def _by_mirror(actions: Iterable[Action]) -> Mapping[Key, list[Action]]:
    grouped: dict[Key, list[Action]] = {}
    for action in actions:
        grouped.setdefault(action.mirror, []).append(action)
    return grouped


async def _do(
    mirror: Key,
    actions: Iterable[Action],
    cluster: Cluster,
    may_write: Callable[[], bool],
    wrote: Callable[[Action, Raw | None], None],
    outcome: Outcome,
) -> None:
    try:
        for action in actions:
            if not may_write():
                return
            wrote(action, await _carry_out(action, cluster))
            metadata = action.object.metadata
            log.info(_EVENTS[type(action)], kind=action.kind.kind, object=str(metadata.key))
    except ClusterError as error:
        outcome.failed[mirror] = error
    else:
        outcome.done.add(mirror)


_EVENTS: Mapping[type[Action], str] = {
    Create: "mirror.created",
    Update: "mirror.updated",
    Delete: "mirror.deleted",
}


async def _carry_out(action: Action, cluster: Cluster) -> Raw | None:
    match action:
        case Create(_, kind, made):
            return await cluster.create(kind, made.to_dict())
        case Update(_, kind, made):
            return await cluster.replace(kind, made.to_dict())
        case Delete(_, kind, made):
            metadata = made.metadata
            with suppress(NotFound):  # the aim is reached; Kubernetes removes Endpoints with their Service
                await cluster.delete(
                    kind,
                    metadata.namespace,
                    metadata.name,
                    uid=metadata.uid,
                    resource_version=metadata.resource_version,
                )
            return None
        case _:
            assert_never(action)
