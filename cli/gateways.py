"""`jackstay gateways`: each linked cluster's gateway, whether it lives and how far it is."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import typer

from cli.errors import CliError, explained
from cli.options import NAMESPACE, Context, Kubeconfig, Namespace, Output, OutputFormat, print_json
from cluster.client import Cluster
from cluster.errors import ClusterError
from cluster.kinds import LINK
from cluster.kubeconfig import Access, RefusedKubeconfig, local
from cluster.objects import Link
from cluster.reading import Fields, Malformed


@dataclass(frozen=True, slots=True)
class Row:
    """One linked cluster."""

    cluster: str
    alive: bool
    services: int
    latency: int | None
    """Milliseconds; None where nothing was measured."""


def rows(links: Iterable[Link]) -> list[Row]:
    """A row per link with a gateway, by cluster; one that was never probed is shown as dead, not left out."""
    return sorted(
        (_row(link) for link in links if link.spec.get("gatewayAddress")), key=lambda row: row.cluster
    )


def _row(link: Link) -> Row:
    cluster = Fields.of(link.spec).text("targetClusterName") or link.metadata.name
    gateway = Fields.of(link.status).below("gateway")
    alive = gateway.flag("alive") is True
    measured = alive and gateway.has("latencyMilliseconds")
    return Row(
        cluster,
        alive,
        gateway.number("services"),
        gateway.number("latencyMilliseconds") if measured else None,
    )


def table(shown: Iterable[Row]) -> str:
    """The rows as Linkerd's table has them, so that scripts read both."""
    lines = [("CLUSTER", "ALIVE", "NUM_SVC", "LATENCY")] + [
        (row.cluster, str(row.alive), str(row.services), "-" if row.latency is None else f"{row.latency}ms")
        for row in shown
    ]
    width = max(len(line[0]) for line in lines)
    return "".join(
        f"{cluster:{width}}  {alive:5}  {services:>9}  {latency:>11}\n"
        for cluster, alive, services, latency in lines
    )


def as_objects(shown: Iterable[Row]) -> list[dict[str, object]]:
    """The rows for `-o json`, with Linkerd's keys."""
    return [
        {
            "clusterName": row.cluster,
            "alive": row.alive,
            "numberOfServices": row.services,
            "latency": row.latency,
        }
        for row in shown
    ]


async def _links(access: Access, namespace: str) -> list[Link]:
    async with Cluster(access) as cluster:
        listing = await cluster.list(LINK, namespace=namespace)
    return [Link.from_dict(raw) for raw in listing.items]


def command(
    *,
    cluster_name: Annotated[str, typer.Option(metavar="NAME", help="Only this cluster's.")] = "",
    output: Output = OutputFormat.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = NAMESPACE,
) -> None:
    """
    Whether the linked clusters' gateways live, and how far they are.

    Exits with 0 if every gateway shown is alive, else with 1.

    Example:  jackstay gateways --context west --cluster-name east
    """
    with explained(ClusterError, RefusedKubeconfig, OSError, Malformed):
        found = rows(asyncio.run(_links(local(kubeconfig, context), namespace)))
    shown = [row for row in found if cluster_name in ("", row.cluster)]
    if cluster_name and not shown:
        raise CliError(
            f"no Link in namespace {namespace} has a gateway of cluster {cluster_name!r}",
            hint=f"Make one: jackstay link --context {cluster_name} --cluster-name {cluster_name}",
        )
    if output is OutputFormat.JSON:
        print_json(as_objects(shown))
    else:
        typer.echo(table(shown), nl=False)
    raise typer.Exit(0 if all(row.alive for row in shown) else 1)
