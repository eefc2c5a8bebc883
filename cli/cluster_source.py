"""Routes and targets from a cluster: informers on one side, the data path's tables on the other."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from gateway.metrics import DataPathMetrics
from gateway.routes import RouteTable, TargetTable


@dataclass(frozen=True, slots=True)
class ClusterSource:
    kubeconfig: Path | None
    context: str | None
    namespace: str
    cluster_domain: str


async def exported_routes(
    cluster: ClusterSource,
    took: Callable[[RouteTable], Awaitable[None]],
    metrics: DataPathMetrics,
    *,
    allow_loopback: bool,
) -> None: ...
async def mirrored_targets(
    cluster: ClusterSource, took: Callable[[TargetTable], Awaitable[None]], metrics: DataPathMetrics
) -> None: ...
