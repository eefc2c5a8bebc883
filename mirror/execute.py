"""
Carrying out a plan: mirrors side by side, a bounded number at a time; what belongs to one mirror in order.

What meets another state than it was planned from is not forced but planned anew.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from typing import assert_never

import structlog

from cluster.client import Cluster
from cluster.errors import AlreadyExists, ClusterError, NotFound
from cluster.kinds import ENDPOINT_SLICE, SERVICE
from cluster.metadata import Raw
from cluster.objects import EndpointSlice, Key, Namespace, Service
from mirror.plan import Action, Create, Delete, Update, belonging, taken_over

log = structlog.get_logger()


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
    at_once: int,
    others: Set[str] = frozenset(),
) -> Outcome:
    """
    Do *actions*; the first failure ends those for its mirror, and no other's. (A slice of somebody else's
    in the place of ours is a failure too, but ends nothing.)

    *may_write* is asked before each write: when it says no, nothing more is done. *wrote* is told each
    action that was carried out, with the object as the server now has it. *others* are the uids of the
    other Links, whose objects are not to be written over.
    """
    outcome = Outcome()
    means = _Means(cluster, may_write, wrote, others)
    waiting = iter(_by_mirror(actions).items())

    async def work() -> None:
        for mirror, due in waiting:
            await _do(mirror, due, means, outcome)

    async with asyncio.TaskGroup() as workers:
        for _ in range(at_once):
            workers.create_task(work())
    return outcome


@dataclass(frozen=True, slots=True)
class _Means:
    cluster: Cluster
    may_write: Callable[[], bool]
    wrote: Callable[[Action, Raw | None], None]
    others: Set[str]


def _by_mirror(actions: Iterable[Action]) -> Mapping[Key, list[Action]]:
    grouped: dict[Key, list[Action]] = {}
    for action in actions:
        grouped.setdefault(action.mirror, []).append(action)
    return grouped


async def _do(mirror: Key, actions: Iterable[Action], means: _Means, outcome: Outcome) -> None:
    service: Service | None = None
    in_the_way: AlreadyExists | None = None
    try:
        for planned in actions:
            if not means.may_write():
                return
            action = belonging(planned, service) if service is not None else planned
            try:
                raw = await _carry_out(action, means)
            except AlreadyExists as error:
                if action.kind != ENDPOINT_SLICE:
                    raise
                in_the_way = error  # somebody else's slice; nothing hangs on ours, and the rest is kept true
                continue
            if raw is None and isinstance(action, Create):
                continue
            if action.kind == SERVICE and raw is not None:
                service = Service.from_dict(raw)
            means.wrote(action, raw)
            metadata = action.object.metadata
            log.info(_EVENTS[type(action)], kind=action.kind.kind, object=str(metadata.key))
    except ClusterError as error:
        outcome.failed[mirror] = error
    else:
        if in_the_way is None:
            outcome.done.add(mirror)
        else:
            outcome.failed[mirror] = in_the_way


_EVENTS: Mapping[type[Action], str] = {
    Create: "mirror.created",
    Update: "mirror.updated",
    Delete: "mirror.deleted",
}


async def _carry_out(action: Action, means: _Means) -> Raw | None:
    cluster = means.cluster
    match action:
        case Create(_, kind, EndpointSlice() as made):
            try:
                return await cluster.create(kind, made.to_dict())
            except AlreadyExists:
                return await _take_over(made, means)
        case Create(_, kind, Namespace() as namespace):
            with suppress(AlreadyExists):  # another mirror was quicker
                return await cluster.create(kind, namespace.to_dict())
            return None
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


async def _take_over(wanted: EndpointSlice, means: _Means) -> Raw:
    """
    Write over what stands in the place of *wanted*, if it is ours after all.

    Of slices we see only those that bear a Link's uid, since there are so many others.
    """
    key = wanted.metadata.key
    standing = EndpointSlice.from_dict(await means.cluster.get(ENDPOINT_SLICE, key.namespace, key.name))
    ours = taken_over(wanted, standing, means.others)
    if ours is None:
        raise AlreadyExists(f"EndpointSlice {key} exists and was not made by this Link")
    return await means.cluster.replace(ENDPOINT_SLICE, ours.to_dict())
