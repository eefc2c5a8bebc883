"""`jackstay gateways`: each linked cluster's gateway, whether it lives and how far it is."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from cli.errors import CliError, explained
from cli.manifests import MIRROR
from cli.options import NAMESPACE, Context, Kubeconfig, Namespace, Output, OutputFormat, print_json
from cluster.client import Cluster
from cluster.errors import ClusterError, Forbidden, NotFound
from cluster.kinds import LEASE, LINK
from cluster.kubeconfig import Access, RefusedKubeconfig, local
from cluster.objects import Link
from cluster.reading import Fields, Malformed

PATIENCE = timedelta(minutes=1)
"""Four lives of a Lease, since two machines' clocks are compared here."""


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


def outdated(looked_at: datetime | None, now: datetime, namespace: str) -> str:
    """What to say where no mirror keeps what is shown true, as its Lease tells; "" where one does."""
    if looked_at is not None and now - looked_at < PATIENCE:
        return ""
    since = f"since {looked_at:%Y-%m-%d %H:%M:%S} UTC" if looked_at else "ever"
    return f"no mirror has looked {since}: does jackstay-mirror run in namespace {namespace}?"


def unknown(cluster: str, found: Iterable[Row], namespace: str) -> CliError:
    """What to say where there is no such cluster: which there are, or how one is linked."""
    known = ", ".join(row.cluster for row in found)
    return CliError(
        f"no Link in namespace {namespace} has a gateway of cluster {cluster!r}",
        hint=f"There are Links to: {known}"
        if known
        else f"Make one: jackstay link --context {cluster} --cluster-name {cluster}",
    )


async def _read(access: Access, namespace: str) -> tuple[list[Link], datetime | None]:
    """The Links, and when a mirror last renewed its Lease; now, if we may not know."""
    async with Cluster(access) as cluster:
        listing = await cluster.list(LINK, namespace=namespace)
        links = [Link.from_dict(raw) for raw in listing.items]
        try:
            lease = await cluster.get(LEASE, namespace, MIRROR)
        except NotFound:
            return links, None
        except Forbidden:
            return links, datetime.now(UTC)
    return links, Fields.of(lease).below("spec").time("renewTime")


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

    Exits with 0 if every gateway shown is alive, else with 1; also where no mirror runs that would know.

    Example:  jackstay gateways --context west --cluster-name east
    """
    with explained(ClusterError, RefusedKubeconfig, OSError, Malformed):
        links, looked_at = asyncio.run(_read(local(kubeconfig, context), namespace))
        found = rows(links)
    shown = [row for row in found if cluster_name in ("", row.cluster)]
    if cluster_name and not shown:
        raise unknown(cluster_name, found, namespace)
    if output is OutputFormat.JSON:
        print_json(as_objects(shown))
    else:
        typer.echo(table(shown), nl=False)
    if not shown:
        typer.echo(f"jackstay: there is no Link with a gateway in namespace {namespace}", err=True)
        raise typer.Exit(0)
    if sentence := outdated(looked_at, datetime.now(UTC), namespace):
        typer.echo(f"jackstay: {sentence}", err=True)
        raise typer.Exit(1)
    raise typer.Exit(0 if all(row.alive for row in shown) else 1)
